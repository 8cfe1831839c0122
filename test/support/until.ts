import { setTimeout as pause } from "node:timers/promises";

/** Polls until a claim holds; throws after `deadlineMs`. For what other processes do in their own time. */
export async function until(
  claim: () => boolean | Promise<boolean>,
  deadlineMs = 15_000,
): Promise<void> {
  const untilMs = performance.now() + deadlineMs;
  while (!(await claim())) {
    if (performance.now() > untilMs)
      throw new Error(`did not come true within ${deadlineMs} ms: ${claim.toString()}`);
    await pause(10);
  }
}
