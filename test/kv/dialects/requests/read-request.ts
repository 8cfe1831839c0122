import { createDialect } from "../../../../src/kv/dialects/dialects.ts";
import type {
  DialectName,
  ReadBody,
  SegmentInjection,
  TurnBody,
} from "../../../../src/kv/dialects/dialect.ts";
import { parsed } from "../../../json/json-oracle.ts";

export interface Requested {
  readonly dialect?: DialectName;
  readonly path?: string;
}

/** Throws where it is unreadable. */
export function read(body: string | object, requested: Requested = {}): ReadBody {
  const { dialect: name = "sglang-session", path = "/generate" } = requested;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const result = createDialect({ name, exposeKv: false }).readBody(path, Buffer.from(text));
  if (result.kind === "unreadable") throw new Error(`unreadable at ${result.offset}`);
  return result;
}

/** Throws where it is none. */
export function turnOf({ turn }: ReadBody): TurnBody {
  if (turn.kind === "none") throw new Error(`no turn: ${turn.reason}`);
  return turn;
}

export const CHAT = { dialect: "sglang-explicit", path: "/v1/chat/completions" } as const;

export const MESSAGES = [{ role: "user", content: "hi" }];

export function segment(tokenStart: number) {
  return {
    tokenStart,
    tokenLength: 64,
    kvUri: `file:///kv/${tokenStart}`,
    kvStart: tokenStart * 8,
  };
}

/** As it goes to the engine. */
export function written(tokenStart: number) {
  return {
    token_start: tokenStart,
    token_length: 64,
    kv_uri: `file:///kv/${tokenStart}`,
    kv_start: tokenStart * 8,
  };
}

export const INJECTION: SegmentInjection = {
  kind: "segments",
  engineSession: "moorline-1",
  stored: [segment(0), segment(64)],
  fresh: [segment(128)],
  inputIds: undefined,
};

export function injected(body: ReadBody, injection: Partial<SegmentInjection> = {}): unknown {
  return parsed(turnOf(body).inject({ ...INJECTION, ...injection }).pieces);
}

export function textOf(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString();
}
