/** The last lines of the whole check, from what vitest leaves. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readResults, type SuiteResults } from "../scripts/suite-results.ts";
import { addUp } from "../scripts/suite-totals.ts";

const root = resolve(import.meta.dirname, "..");
const good: SuiteResults = { passed: 7, total: 7, failures: [] };

it("adds up suites that passed, in one line", () => {
  const other = { ...good, passed: 2, total: 2 };
  const suites = [
    { name: "vitest", exitStatus: 0, results: good },
    { name: "docker", exitStatus: 0, results: other },
  ];
  expect(addUp(suites)).toEqual({ lines: ["9 passed, 0 failed"], failed: 0 });
});

it.each([
  { what: "that left nothing", exitStatus: 0, results: undefined },
  { what: "without tests", exitStatus: 0, results: { passed: 0, total: 0, failures: [] } },
  { what: "that ended badly after tests that passed", exitStatus: 1, results: good },
])("counts a suite $what as one failure, and says so", ({ exitStatus, results }) => {
  const { lines, failed } = addUp([{ name: "vitest", exitStatus, results }]);
  const passed = results?.passed ?? 0;
  expect(failed).toBe(1);
  expect(lines).toEqual([
    `vitest: exit status ${exitStatus} after ${passed} tests, which counts as one failure`,
    `${passed} passed, 1 failed`,
  ]);
});

it("cuts long messages and long lists, and counts all the same", () => {
  const message = ["x".repeat(300), ...Array.from({ length: 50 }, (_, at) => `line ${at}`)];
  const failure = { title: "a.test.ts > fails", message: message.join("\n") };
  const failures = Array.from({ length: 30 }, () => failure);
  const results = { passed: 0, total: 30, failures };
  const { lines, failed } = addUp([{ name: "vitest", exitStatus: 1, results }]);
  expect(failed).toBe(30);
  expect(lines).toHaveLength(20 * (1 + 8) + 1);
  expect(lines[1]).toBe(`    ${"x".repeat(200)}`);
  expect(lines[8]).toBe("    line 49");
});

describe("a run of vitest", () => {
  it("is told by its failed and skipped tests, broken files and errors outside tests", async () => {
    const { exitStatus, results } = await runVitest({
      "tests.test.ts": `
        it("passes", () => expect(1).toBe(1));
        describe("a group", () => it("fails", () => expect("this").toBe("that")));
        it.skip("is left out", () => {});
      `,
      "broken.test.ts": `throw new Error("no such thing");`,
      "stray.test.ts": `it("passes", async () => {
        void Promise.reject(new Error("nobody listens"));
        await new Promise(setImmediate);
      });`,
    });
    const { lines } = addUp([{ name: "unit", exitStatus, results }]);
    expect(lines.filter((line) => !line.startsWith("    "))).toEqual([
      "unit: broken.test.ts",
      "unit: tests.test.ts > a group > fails",
      "unit: tests.test.ts > is left out",
      "unit: outside tests",
      "2 passed, 2 failed",
    ]);
    const text = lines.join("\n");
    expect(text).toContain("    Error: no such thing\n");
    expect(text).toMatch(
      / AssertionError: expected 'this' to be 'that'.*\n +at .*tests\.test\.ts:3:\d+\n/,
    );
    expect(text).toContain("    it is skipped\n");
    expect(text).toContain("    Error: nobody listens\n");
  }, 30_000);
});

/** With the reporter, on files of a folder of its own. */
async function runVitest(files: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), "moorline-results-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "results", "unit.json");
  const reporter = JSON.stringify(join(root, "scripts/suite-results.ts"));
  const config = `
    import { ResultsReporter } from ${reporter};
    const reporters = [new ResultsReporter(${JSON.stringify(path)})];
    export default { test: { globals: true, fileParallelism: false, reporters } };
  `;
  for (const [name, text] of Object.entries({ ...files, "vitest.config.ts": config })) {
    await writeFile(join(folder, name), text);
  }
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", "--root", folder], { stdio: "ignore" });
  const [exitStatus] = (await once(child, "exit")) as [number];
  return { exitStatus, results: readResults(path) };
}
