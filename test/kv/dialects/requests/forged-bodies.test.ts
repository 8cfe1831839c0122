/** Whatever a client sends: nothing that only the service may send comes through, and all else does. */
import { randomInt } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import type { DialectName } from "../../../../src/kv/dialects/dialect.ts";
import { createDialect } from "../../../../src/kv/dialects/dialects.ts";
import { parsed, without } from "../../../json/json-oracle.ts";
import { seededRandom } from "../../../support/random.ts";
import { FORBIDDEN, FORBIDDEN_AT_ROOT, Forger } from "./forger.ts";
import { INJECTION, written } from "./read-request.ts";

const BODIES = Number(process.env["FORGED_BODIES"] ?? 100_000);
const LIMIT_MS = Number(process.env["FORGED_BODIES_LIMIT_MS"] ?? 10_000);
const seed = Number(process.env["FORGED_BODIES_SEED"] ?? randomInt(2 ** 31));

const PATHS = [
  ["sglang-session", "/generate"],
  ["sglang-explicit", "/generate"],
  ["sglang-explicit", "/v1/chat/completions"],
  ["sglang-session", "/v1/chat/completions"],
  ["llamacpp-slots", "/completion"],
  ["llamacpp-slots", "/v1/chat/completions"],
  ["llamacpp-slots", "/elsewhere"],
] as const;

type Where = readonly [DialectName, string];
type Members = Record<string, unknown>;

/** Undefined: it is not what may be read. */
function parse(pieces: readonly Uint8Array[]): { value: unknown } | undefined {
  try {
    const value = parsed(pieces);
    return depthOf(Buffer.concat(pieces).toString()) > 128 ? undefined : { value };
  } catch {
    return undefined;
  }
}

/** Of a valid text, duplicates included. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const bracket of text.replaceAll(/"(?:[^"\\]|\\.)*"/gu, "").match(/[[\]{}]/g) ?? []) {
    depth += "[{".includes(bracket) ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the engine is to get where there is no turn. */
function stripped(value: unknown, [dialect]: Where): unknown {
  const params = isMembers(value) ? value["session_params"] : undefined;
  if (isMembers(params) && FORBIDDEN.some((name) => Object.hasOwn(params, name))) {
    if (Object.hasOwn(params, "id")) params["id"] = null;
  }
  const left = without(value, FORBIDDEN);
  if (dialect === "llamacpp-slots" && isMembers(left)) delete left[FORBIDDEN_AT_ROOT];
  return left;
}

/** And where there is one. */
function injected(value: Members, [dialect, path]: Where): Members {
  if (dialect === "llamacpp-slots")
    return { ...value, id_slot: 7, cache_prompt: true, n_cache_reuse: 0 };
  const { engineSession: id, inputIds } = INJECTION_WITH_IDS;
  const [stored, fresh] = [[written(0), written(64)], [written(128)]];
  if (path === "/generate" && typeof value["text"] === "string") {
    if (Object.hasOwn(value, "input_ids")) value["text"] = null;
    else delete value["text"];
    value["input_ids"] = inputIds;
  }
  const into = (name: string, members: Members) => {
    value[name] = { ...(isMembers(value[name]) ? value[name] : {}), ...members };
  };
  const kvcache = { id, stored_kvcache: stored, fresh_kvcache: fresh };
  if (dialect === "sglang-session")
    into("session_params", { id, stored_kv_cache: stored, fresh_kv_cache: fresh });
  else if (path === "/generate") into("kvcache_params", kvcache);
  else {
    into("kv_transfer_params", { kvcache_params: kvcache });
    if (value["stream"] === true && !asksForUsage(value["stream_options"])) {
      into("stream_options", { include_usage: true });
    }
  }
  return value;
}

function asksForUsage(options: unknown): boolean {
  if (!isMembers(options)) return false;
  return options["include_usage"] === true || options["continuous_usage_stats"] === true;
}

const SLOT = { kind: "slot", slot: 7 } as const;
const INJECTION_WITH_IDS = { ...INJECTION, inputIds: [1, 20, 300] };

function faultOf(body: Uint8Array, where: Where): string | undefined {
  const [name, path] = where;
  const result = createDialect({ name, exposeKv: false }).readBody(path, body);
  const expected = parse([body]);
  if (expected === undefined || result.kind === "unreadable") {
    return expected === undefined && result.kind === "unreadable" ? undefined : result.kind;
  }
  const rest = stripped(expected.value, where);
  if (!isDeepStrictEqual(parse(result.stripped)?.value, rest)) return "stripped";
  if (result.turn.kind === "none") return undefined;
  turns++;
  if (!isMembers(rest)) return "a turn of no object";
  const { pieces } = result.turn.inject(name === "llamacpp-slots" ? SLOT : INJECTION_WITH_IDS);
  return isDeepStrictEqual(parse(pieces)?.value, injected(rest, where)) ? undefined : "injected";
}

let turns = 0;

it(
  `removes what is forged from ${BODIES} bodies of seed ${seed}, and nothing else [T6]`,
  () => {
    const random = seededRandom(seed);
    const forger = new Forger(random);
    const endMs = performance.now() + LIMIT_MS;
    let bodies = 0;
    for (; bodies < BODIES && performance.now() < endMs; bodies++) {
      const body = forger.body();
      const where = forger.pick(PATHS);
      const fault = faultOf(body, where);
      if (fault !== undefined) {
        expect({ bodies, where, fault, body: Buffer.from(body).toString() }).toBe(undefined);
      }
    }
    console.log(`seed ${seed}: ${bodies} forged bodies, ${turns} turns`);
    expect(bodies).toBeGreaterThan(Math.min(BODIES, 100) - 1);
    expect(turns).toBeGreaterThan(bodies / 100);
  },
  LIMIT_MS * 6,
);
