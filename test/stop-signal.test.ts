import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";

const module = new URL("../src/stop-signal.ts", import.meta.url).href;

/** Says when it runs, when it is told to stop, and when a second signal would end it; runs on until then or until told. */
const script = `
import { untilStopped } from ${JSON.stringify(module)};
const running = setInterval(() => {}, 1000);
const stopped = untilStopped(["SIGINT", "SIGTERM"]);
console.log("running");
console.log("stopped by " + (await stopped));
process.on("SIGUSR2", () => clearInterval(running));
const armed = setInterval(() => {
  if (process.listenerCount("SIGINT") > 0) return;
  console.log("armed");
  clearInterval(armed);
}, 10);`;

/** Sends each signal when its line is printed; returns all lines and how the process ended. */
async function runWith(signals: Readonly<Record<string, readonly NodeJS.Signals[]>>) {
  const args = ["--input-type=module", "-e", script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    for (const signal of signals[line] ?? []) child.kill(signal);
  }
  return { lines, ended: await ended };
}

it("a signal that comes again at once, as npm's Ctrl-C does, stops gently", async () => {
  const signals = {
    running: ["SIGINT"],
    "stopped by SIGINT": ["SIGINT"],
    armed: ["SIGUSR2"],
  } as const;
  expect(await runWith(signals)).toEqual({
    lines: ["running", "stopped by SIGINT", "armed"],
    ended: [0, null],
  });
});

it("a second signal later ends the process at once", async () => {
  const { lines, ended } = await runWith({ running: ["SIGTERM"], armed: ["SIGINT"] });
  expect(lines).toEqual(["running", "stopped by SIGTERM", "armed"]);
  expect(ended).toEqual([null, "SIGINT"]);
});
