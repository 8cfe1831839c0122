/**
 * Adds up what the suites left in .cache/test-results and prints what failed, then `N passed, N failed` as the last line:
 * `node scripts/test-totals.ts vitest=0 docker=1`, each suite with the exit status of its command. A test that was skipped has
 * failed, and so has a suite that ended badly without a failed test to show for it, or that left no result.
 */
import { join } from "node:path";
import { addUp } from "./suite-totals.ts";
import { RESULTS_FOLDER, readResults } from "./suite-results.ts";

const suites = process.argv.slice(2).map((argument) => {
  const [name = "", exitStatus] = argument.split("=");
  const results = readResults(join(RESULTS_FOLDER, `${name}.json`));
  return { name, exitStatus: Number(exitStatus), results };
});
const { lines, failed } = addUp(suites);
for (const line of lines) console.log(line);
process.exitCode = failed === 0 && suites.length > 0 ? 0 : 1;
