import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { runNpm } from "./support/npm.ts";
import { SERVABLE } from "./support/servable-config.ts";

let folder: string;
let config: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-npm-"));
  config = join(folder, "moorline.yaml");
  await writeFile(config, SERVABLE);
});
afterAll(() => rm(folder, { recursive: true }));

it("`npm start` drains when npm is told to end, and leaves nothing running", async () => {
  const { code, stdout } = await runNpm({
    args: ["start", "--", "--config", config],
    signalAt: { text: '"ready"', signal: "SIGTERM" },
  });
  expect(stdout).toMatch(/"msg":"draining"}\n.*"msg":"closed"}\n$/s);
  expect(code).toBe(0);
}, 30_000);

it("`npm run check-config` checks the file that it is given", async () => {
  const { code, stdout } = await runNpm({
    args: ["run", "--silent", "check-config", "--", "--config", config],
  });
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^ok: pools 1, endpoints 1,/)]);
}, 30_000);

it("`npm run demo` says in one line that there is no Envoy, and starts nothing", async () => {
  const { code, stdout, stderr } = await runNpm({
    args: ["run", "--silent", "demo"],
    env: { ENVOY_BIN: "/nonexistent/envoy" },
  });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toBe("ENVOY_BIN=/nonexistent/envoy is not a file that can be executed\n");
}, 30_000);

it("every script that runs a program of ours gives it the place of the shell, which passes no signal on", () => {
  const programs = Object.entries(manifest.scripts).filter(([, script]) =>
    /node \w+\/[\w-]+\.ts/.test(script),
  );
  expect(programs.map(([name]) => name)).toContain("demo");
  expect(programs.filter(([, script]) => !/&& exec node [^&]+$/.test(script))).toEqual([]);
});
