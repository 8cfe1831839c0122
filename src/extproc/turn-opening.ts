/** Which requests are turns: those with a body that may go to a pool with KV. */
import type { ExchangePorts } from "./exchange-ports.ts";
import type { ProcessingMessage, ProtocolModes } from "./message.ts";
import type { RequestFacts, TurnHeaders } from "./request-reader.ts";

export interface TurnOpening {
  readonly facts: RequestFacts;
  /** The request headers. */
  readonly message: ProcessingMessage;
  readonly modes: ProtocolModes;
  /** The session id or the model may have to come from the body. */
  readonly isBodyRead: boolean;
}

/** Of one that is. */
export interface ReadOpening extends TurnOpening {
  readonly headers: TurnHeaders;
  /** Of the largest body that any pool takes that this one may go to. */
  readonly limitBytes: number;
}

/** Undefined where the request has no body, or none that a pool with KV could get. */
export function readTurnOpening(
  ports: Pick<ExchangePorts, "pools" | "turns" | "reader" | "bodyLimitBytes">,
  opening: TurnOpening,
): ReadOpening | undefined {
  if (opening.message.endOfStream) return undefined;
  const { pools, turns } = ports;
  const { facts, isBodyRead } = opening;
  const isModelOpen = facts.model === undefined && pools.hasSeveral && isBodyRead;
  const candidates = isModelOpen ? pools.all() : [pools.forModel(facts.model)];
  let headers: TurnHeaders | undefined;
  let limitBytes = 0;
  for (const pool of candidates) {
    const kv = pool === undefined ? undefined : turns.pool(pool.name);
    if (kv === undefined) continue;
    headers ??= ports.reader.readTurnHeaders(opening.message);
    if (!kv.passes(headers.rawPath)) limitBytes = Math.max(limitBytes, kv.bodyLimitBytes);
  }
  if (headers === undefined || limitBytes === 0) return undefined;
  if (isModelOpen) limitBytes = Math.max(limitBytes, ports.bodyLimitBytes);
  // A body over `extproc.bodyLimitBytes` comes all the same here.
  const isOverLimit = facts.bodyObstacle === "body_too_large";
  if (isOverLimit) facts.bodyObstacle = undefined;
  const isRead = isBodyRead || isOverLimit;
  return { ...opening, isBodyRead: isRead, headers, limitBytes };
}
