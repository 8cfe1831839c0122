/** An exchange with a pool that has KV: a harness with marked turns behind it. */
import { setImmediate } from "node:timers/promises";
import { createHarness, type HarnessOptions } from "./exchange-harness.ts";
import { MarkedTurns, type MarkedTurnsOptions } from "./marked-turns.ts";
import type { ProcessingResponse__Output } from "./published-codec.ts";

export function setUpTurns(kv: MarkedTurnsOptions = {}, options: HarnessOptions = {}) {
  const turns = new MarkedTurns(kv);
  const harness = createHarness({ ...options, ports: { turns, ...options.ports } });
  const exchange = harness.open();
  /** Sends a body, and waits until nothing is under way. */
  const body = async (bytes: string | Buffer, endOfStream = true) => {
    const before = exchange.replies.length;
    await exchange.send({ request_body: { body: Buffer.from(bytes), end_of_stream: endOfStream } });
    await setImmediate();
    return exchange.replies.slice(before);
  };
  return { ...harness, turns, exchange, body };
}

/** What a reply puts in place of a body; undefined where it changes none. */
export function bodyOf(reply: ProcessingResponse__Output | undefined): string | undefined {
  return (reply?.request_body ?? reply?.response_body)?.response?.body_mutation?.body?.toString();
}
