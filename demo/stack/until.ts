import { setTimeout as pause } from "node:timers/promises";

const POLL_MS = 10;

/** Polls until a claim holds; throws after `deadlineMs`, or when it is aborted. For what other processes do in their own time. */
export async function until(
  claim: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
  signal?: AbortSignal,
): Promise<void> {
  const untilMs = performance.now() + deadlineMs;
  while (!(await claim())) {
    if (performance.now() > untilMs)
      throw new Error(`did not come true within ${deadlineMs} ms: ${claim.toString()}`);
    await pause(POLL_MS, undefined, signal && { signal });
  }
}
