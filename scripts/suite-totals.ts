/** The end of the whole check's output, often all of it that is kept: which tests failed and why, then how many. */
import type { SuiteResults } from "./suite-results.ts";

export interface EndedSuite {
  readonly name: string;
  readonly exitStatus: number;
  /** Undefined where it left none. */
  readonly results: SuiteResults | undefined;
}

export interface Totals {
  readonly lines: readonly string[];
  readonly failed: number;
}

/** Of each suite: more are counted, and are in its own output. */
const failuresShown = 20;
/** Of each message: what was expected, or a counterexample. */
const linesShown = 8;
const columnsShown = 200;

export function addUp(suites: readonly EndedSuite[]): Totals {
  const judged = suites.map(judge);
  const passed = judged.reduce((sum, suite) => sum + suite.passed, 0);
  const failed = judged.reduce((sum, suite) => sum + suite.failed, 0);
  const lines = judged.flatMap((suite) => suite.lines);
  return { lines: [...lines, `${passed} passed, ${failed} failed`], failed };
}

function judge({ name, exitStatus, results }: EndedSuite): Totals & { readonly passed: number } {
  const { passed, total, failures } = results ?? { passed: 0, total: 0, failures: [] };
  const shown = failures.slice(0, failuresShown);
  const lines = shown.flatMap(({ title, message }) => [`${name}: ${title}`, ...excerpt(message)]);
  if (total > passed) return { passed, failed: total - passed, lines };
  if (exitStatus === 0 && total > 0) return { passed, failed: 0, lines };
  const end = `${name}: exit status ${exitStatus} after ${total} tests, which counts as one failure`;
  return { passed, failed: 1, lines: [...lines, end] };
}

/** The first lines and the last one, which tells where. */
function excerpt(message: string): readonly string[] {
  const lines = message.split("\n").filter((line) => line.trim() !== "");
  const kept = lines.filter((_, at) => at < linesShown - 1 || at === lines.length - 1);
  return kept.map((line) => `    ${line.slice(0, columnsShown)}`);
}
