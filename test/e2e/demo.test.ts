import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { type NpmOptions, runNpm } from "../support/npm.ts";

async function runDemo(args: readonly string[], signalAt: NpmOptions["signalAt"] & object) {
  const folder = await mkdtemp(join(tmpdir(), "moorline-demo-"));
  onTestFinished(async () => rm(folder, { recursive: true }));
  const run = await runNpm({
    args: ["run", "--silent", "demo", "--", ...args],
    env: { TMPDIR: folder, MOORLINE_IMAGE: undefined, ENVOY_IMAGE: undefined },
    signalAt,
  });
  const left = await readdir(folder); // npm keeps its compiled code there
  return { ...run, left: left.filter((name) => name.startsWith("moorline")) };
}

it.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)(
  "%s to `npm run demo` ends Envoy, Moorline and the engines, and removes their files",
  async (signal, code) => {
    const run = await runDemo([], { text: "Replaying", signal });
    expect(run).toMatchObject({ code, stderr: "", left: [] });
    expect(run.stdout).toMatch(
      /^Envoy .*\nStarting 4 simulated engines, .*\nReplaying .*\nStopping\.\n$/s,
    );
  },
);

it("`npm run demo -- turns --keep` shows conversations that go on without being computed again, and stays until a signal", async () => {
  const run = await runDemo(["turns", "--keep"], { text: "Ctrl-C", signal: "SIGINT" });
  expect(run).toMatchObject({ code: 130, stderr: "", left: [] });
  expect(run.stdout).toMatch(/kill -9: engine [abc], while it answers talk-\d\. It had talk-\d/);
  const rows = run.stdout.split("\n").map((row) => row.split(/ {2,}/));
  const moves = rows.filter(([, engine]) => /^[abc] -> [abc]$/.test(engine ?? ""));
  const found = moves.map(([, , prompt, loaded]) => toNumber(loaded) / toNumber(prompt));
  expect(found.length).toBeGreaterThan(1);
  expect(Math.min(...found)).toBeGreaterThan(0.9);
  expect(moves.filter((row) => !/^[1-9]\d* ms$/.test(row[5] ?? ""))).toEqual([]); // predicted
  const saved = /Seconds saved until the first token: (\S+)\n/.exec(run.stdout)?.[1];
  expect(Number(saved)).toBeGreaterThan(0);
  expect(run.stdout).toMatch(
    /\n\d\d answers compared with the model's own, computed from nothing: differences 0\n/,
  );
  expect(run.stdout).toMatch(/curl .*\n\nCtrl-C stops everything.*\n\nStopping\.\n$/s);
}, 120_000);

function toNumber(count = ""): number {
  return Number(count.replaceAll(",", ""));
}
