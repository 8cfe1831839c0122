import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished, vi } from "vitest";
import { startChild, waitUntilReady } from "../../demo/stack/child.ts";

const module = new URL("../../demo/stack/child.ts", import.meta.url).href;
const node = process.execPath;

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it.each(["SIGINT", "SIGTERM"] as const)(
  "a parent that %s ends takes its children along",
  async (signal) => {
    const script = `
    import { startChild } from ${JSON.stringify(module)};
    const args = ["-e", "setInterval(() => {}, 1000)"];
    console.log(startChild({ label: "child", command: process.execPath, args }).pid);`;
    const parent = spawn(node, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void parent.kill("SIGKILL"));
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const pid = Number(line);
    expect(isRunning(pid)).toBe(true);
    parent.kill(signal);
    await vi.waitUntil(() => !isRunning(pid), { timeout: 5_000 });
  },
);

it("a child that ends before it is ready is an error with its last words", async () => {
  const args = ["-e", "console.error('no such port'); process.exit(3)"];
  const child = startChild({ label: "thing", command: node, args });
  const ready = waitUntilReady(child, { deadlineMs: 10_000, check: () => Promise.resolve(false) });
  await expect(ready).rejects.toThrow(/thing ended \(exit code 3\):\n.*no such port/s);
});

it("a child that is not ready in time is closed", async () => {
  const child = startChild({
    label: "thing",
    command: node,
    args: ["-e", "setInterval(() => {}, 1000)"],
  });
  const ready = waitUntilReady(child, { deadlineMs: 100, check: () => Promise.resolve(false) });
  await expect(ready).rejects.toThrow("thing was not ready in 100 ms");
  expect(child.isRunning()).toBe(false);
});

it("every line of a child is added to its log", async () => {
  const folder = await mkdtemp(join(tmpdir(), "moorline-child-"));
  onTestFinished(async () => rm(folder, { recursive: true }));
  const logPath = join(folder, "log");
  await writeFile(logPath, "before\n");
  const args = ["-e", "console.log('out'); setTimeout(() => console.error('err'), 50)"];
  startChild({ label: "thing", command: node, args, logPath });
  const log = async () => readFile(logPath, "utf8");
  await vi.waitUntil(async () => (await log()).endsWith("err\n"), { timeout: 5_000 });
  expect(await log()).toBe("before\nout\nerr\n");
});

it("a command that does not exist is an error that names it", async () => {
  const child = startChild({ label: "thing", command: "/nonexistent/command", args: [] });
  const ready = waitUntilReady(child, { deadlineMs: 10_000, check: () => Promise.resolve(false) });
  await expect(ready).rejects.toThrow("/nonexistent/command");
});
