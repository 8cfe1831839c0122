import type { Scheduler } from "../clock.ts";

/** What the work comes to, or undefined once so much time is over; the work then goes on unheard. */
export async function inTime<T>(
  work: Promise<T>,
  ms: number,
  clock: Scheduler,
): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = clock.after(ms, () => late.resolve(undefined));
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    cancel();
  }
}
