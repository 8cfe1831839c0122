/**
 * Replays conversations at compressed time. The turns of one conversation follow each other: one starts at its time, or
 * when the answer before it is there if that is later, since nobody asks on before reading.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionRequest, TraceRequest } from "../trace/sessions.ts";
import { chat } from "./chat.ts";
import type { ChatResult } from "./chat.ts";
import { answerWords, promptText } from "./prompt.ts";

export interface ReplayOptions {
  readonly requests: readonly SessionRequest[];
  readonly url: string;
  /** How many times faster than the trace. */
  readonly speedup: number;
  readonly onOutcome: (outcome: Outcome) => void;
  /** Rejects the replay. What fails because of it is no outcome. */
  readonly signal: AbortSignal;
}

export interface Outcome {
  readonly session: number;
  /** Milliseconds since the replay began. */
  readonly sentMs: number;
  readonly endedMs: number;
  readonly result: ChatResult;
}

export async function replay(options: ReplayOptions): Promise<void> {
  const startMs = performance.now();
  const sessions = Map.groupBy(options.requests, ({ session }) => session);
  await Promise.all(
    Array.from(sessions, async ([session, turns]) =>
      converse({
        ...options,
        session,
        turns: turns.map(({ request }) => request),
        elapsedMs: () => performance.now() - startMs,
      }),
    ),
  );
}

interface Conversation extends ReplayOptions {
  readonly session: number;
  readonly turns: readonly TraceRequest[];
  readonly elapsedMs: () => number;
}

/** The client keeps the session id that the first answer names, and sends it from then on. */
async function converse(conversation: Conversation): Promise<void> {
  const { session, turns, url, speedup, elapsedMs, onOutcome, signal } = conversation;
  let sessionId: string | undefined;
  for (const turn of turns) {
    const waitMs = turn.timestamp / speedup - elapsedMs();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
    const sentMs = elapsedMs();
    const text = promptText(turn);
    const result = await chat({ url, sessionId, text, maxTokens: answerWords(turn), signal });
    signal.throwIfAborted();
    if (result.failure === undefined) sessionId ??= result.sessionId;
    onOutcome({ session, sentMs, endedMs: elapsedMs(), result });
  }
}
