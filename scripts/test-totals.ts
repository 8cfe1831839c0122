/**
 * Adds up what the suites wrote to .cache/test-results and prints `N passed, N failed` as the last line:
 * `node scripts/test-totals.ts vitest=0 docker=1`, each suite with the exit status of its command. A test that was skipped has
 * failed, and so has a suite that ended badly without a failed test to show for it, or that left no result.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const folder = resolve(import.meta.dirname, "..", ".cache", "test-results");

/** The part of vitest's JSON report that is counted. */
interface Report {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
}

interface Totals {
  readonly passed: number;
  readonly failed: number;
}

function countSuite(name: string, exitStatus: number): Totals {
  const { numPassedTests: passed, numTotalTests: total } = readReport(name);
  const failed = total - passed;
  if (failed > 0 || (exitStatus === 0 && total > 0)) return { passed, failed };
  console.log(
    `${name}: exit status ${exitStatus} after ${total} tests, which counts as one failure`,
  );
  return { passed, failed: 1 };
}

function readReport(name: string): Report {
  try {
    return JSON.parse(readFileSync(resolve(folder, `${name}.json`), "utf8")) as Report;
  } catch {
    return { numPassedTests: 0, numTotalTests: 0 };
  }
}

const suites = process.argv.slice(2).map((argument) => {
  const [name = "", exitStatus] = argument.split("=");
  return countSuite(name, Number(exitStatus));
});
const passed = suites.reduce((sum, suite) => sum + suite.passed, 0);
const failed = suites.reduce((sum, suite) => sum + suite.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && suites.length > 0 ? 0 : 1;
