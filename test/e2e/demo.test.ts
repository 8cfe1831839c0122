import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runNpm } from "../support/npm.ts";

it.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)(
  "%s to `npm run demo` ends Envoy, Moorline and the engines, and removes their files",
  async (signal, code) => {
    const folder = await mkdtemp(join(tmpdir(), "moorline-demo-"));
    onTestFinished(async () => rm(folder, { recursive: true }));
    const run = await runNpm({
      args: ["run", "--silent", "demo"],
      env: { TMPDIR: folder, MOORLINE_IMAGE: undefined, ENVOY_IMAGE: undefined },
      signalAt: { text: "Replaying", signal },
    });
    expect(run).toMatchObject({ code, stderr: "" });
    expect(run.stdout).toMatch(
      /^Envoy .*\nStarting 4 simulated engines, .*\nReplaying .*\nStopping\.\n$/s,
    );
    const left = await readdir(folder); // npm keeps its compiled code there
    expect(left.filter((name) => name.startsWith("moorline"))).toEqual([]);
  },
);
