/**
 * What a suite of the whole check leaves in .cache/test-results, and the vitest reporter that leaves it there: vitest's own JSON report
 * knows of no error outside tests.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";

export interface SuiteResults {
  readonly passed: number;
  /** Skipped ones as well. */
  readonly total: number;
  readonly failures: readonly Failure[];
}

export interface Failure {
  /** The file and the test, or what else failed. */
  readonly title: string;
  /** With the place where it was thrown, where that is known. */
  readonly message: string;
}

/** Of all suites. */
export const RESULTS_FOLDER = resolve(import.meta.dirname, "..", ".cache", "test-results");

/** In the folder, one file for each suite. */
export function writeResults(path: string, results: SuiteResults): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, JSON.stringify(results));
}

/** Undefined where the suite left none. */
export function readResults(path: string): SuiteResults | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as SuiteResults;
  } catch {
    return undefined;
  }
}

export class ResultsReporter implements Reporter {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const passed = tests.filter((test) => test.result().state === "passed").length;
    const stray = unhandled.map((error) => failure("outside tests", error));
    const failures = [...modules.flatMap(failuresOf), ...stray];
    writeResults(this.#path, { passed, total: tests.length, failures });
  }
}

/** Of its hooks, and of its tests. */
function failuresOf(module: TestModule): readonly Failure[] {
  const file = module.relativeModuleId;
  return [
    ...module.errors().map((error) => failure(file, error)),
    ...[...module.children.allSuites()].flatMap((suite) =>
      suite.errors().map((error) => failure(`${file} > ${suite.fullName}`, error)),
    ),
    ...[...module.children.allTests()].flatMap(failuresOfTest),
  ];
}

function failuresOfTest(test: TestCase): readonly Failure[] {
  const title = `${test.module.relativeModuleId} > ${test.fullName}`;
  const { state, errors = [] } = test.result();
  if (state === "passed") return [];
  if (errors.length === 0) return [{ title, message: `it is ${state}` }];
  return errors.map((error) => failure(title, error));
}

function failure(
  title: string,
  { name = "Error", message, stacks = [] }: SerializedError,
): Failure {
  const [place] = stacks;
  const at = place === undefined ? "" : `\nat ${place.file}:${place.line}:${place.column}`;
  return { title, message: `${name}: ${message}${at}` };
}
