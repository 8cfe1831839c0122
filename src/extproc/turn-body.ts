/**
 * The body of a request, as a pool with KV reads it: what the body says of its session and model is found in the same walk, but where
 * it takes the model to know which pool it goes to.
 */
import { unhurried } from "../json/slices.ts";
import type { ReadBody } from "../kv/dialects/dialect.ts";
import type { KvPool } from "../kv/path/turn-path.ts";
import { rest } from "../kv/turns/unhurried.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import { bodyRefusals, type Refusal } from "./refusal.ts";
import type { RequestFacts, TurnHeaders } from "./request-reader.ts";

export interface TurnBodyOptions {
  /** Gets what the body says. */
  readonly facts: RequestFacts;
  readonly headers: TurnHeaders;
  readonly isBodyRead: boolean;
  readonly limitBytes: number;
  /** Told before it is read. */
  readonly hold: (kv: KvPool) => void;
}

/** Undefined where the body passes unread. */
export interface KvBody {
  readonly kv: KvPool | undefined;
  readonly read: ReadBody | undefined;
}

const UNREAD: KvBody = { kv: undefined, read: undefined };

export async function readTurnBody(
  ports: ExchangePorts,
  body: Uint8Array,
  options: TurnBodyOptions,
): Promise<KvBody | Refusal> {
  const { pools, reader, clock } = ports;
  const { facts, headers, isBodyRead, limitBytes } = options;
  const isFirst = isBodyRead && facts.model === undefined && pools.hasSeveral;
  const readFacts = () =>
    unhurried(reader.readBodyInSlices(facts, body, limitBytes), () => rest(clock));
  if (isFirst) await readFacts();
  const kv = body.byteLength === 0 ? undefined : kvPool(ports, facts, headers);
  if (kv === undefined) {
    if (isBodyRead && !isFirst) await readFacts();
    return UNREAD;
  }
  if (body.byteLength > kv.bodyLimitBytes) return bodyRefusals.tooLarge(kv.bodyLimitBytes);
  options.hold(kv);
  const fields = isBodyRead && !isFirst ? reader.fieldsOf(body) : undefined;
  const read = await kv.readBody(facts.path, body, fields);
  if (read.kind !== "body") return bodyRefusals.invalid(read.offset);
  if (fields !== undefined) reader.takeFields(facts, fields);
  return { kv, read };
}

function kvPool(
  { pools, turns }: ExchangePorts,
  { model }: RequestFacts,
  { rawPath }: TurnHeaders,
): KvPool | undefined {
  const pool = pools.forModel(model);
  const kv = pool === undefined ? undefined : turns.pool(pool.name);
  return kv?.passes(rawPath) === true ? undefined : kv;
}
