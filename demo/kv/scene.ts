/** What the steps of the KV demo have in common. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Caller } from "./caller.ts";
import type { Narration } from "./narration.ts";
import type { KvService } from "./service.ts";
import type { Writer } from "./writer.ts";

export interface Scene {
  readonly service: KvService;
  readonly narration: Narration;
  readonly writer: Writer;
  /** Of the default tenant. */
  readonly caller: Caller;
  /** Of another tenant. */
  readonly callerOf: (tenant: string) => Caller;
  readonly signal: AbortSignal;
}

/** The session of the design's example, which several steps go on with. */
export const seedSession = "session-97f1226c-e752-4961-a858-432814b5dce0";

const pollMs = 50;

/** Polls, and answers after how long it held, or undefined where it did not within the deadline. */
export async function untilHolds(
  holds: () => Promise<boolean>,
  { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<number | undefined> {
  const startMs = performance.now();
  for (;;) {
    if (await holds()) return performance.now() - startMs;
    if (performance.now() - startMs > deadlineMs) return undefined;
    await sleep(pollMs, undefined, { signal });
  }
}
