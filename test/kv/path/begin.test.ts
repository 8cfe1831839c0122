/** What a body of a KV pool becomes: injected with what there is, or passed with the reason why not. */
import { afterEach, describe, expect, it } from "vitest";

import { CatalogFault } from "../../../src/kv/catalog-fault.ts";
import { createDialect } from "../../../src/kv/dialects/dialects.ts";
import type { EngineState } from "../../../src/kv/path/engine-directory.ts";
import { PLENTY } from "../../support/kv-desk.ts";
import {
  bodyOf,
  codesOf,
  ENGINE_A,
  ENGINE_B,
  generate,
  letterTokens,
  PathBench,
  SERVED,
} from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

/** The quota is full with the first turn of two words. */
const FULL_WITH_ONE = { quota: { ...PLENTY, bytes: 8 * 32 } };

async function open(): Promise<PathBench> {
  return new PathBench(await benches.open());
}

describe("a long body", () => {
  it("is read in slices, between which others go on", async () => {
    const bench = await benches.open();
    const { clock } = bench;
    const path = new PathBench(bench, { clock });
    const body = { ...(generate("one ") as object), metadata: { x: Array(200_000).fill(0) } };
    const reading = path.pool.readBody("/generate", Buffer.from(JSON.stringify(body)));
    expect([path.parts.length, clock.pendingTimers]).toEqual([0, 1]);
    while (path.parts.length === 0) await clock.advance(0);
    expect(await reading).toMatchObject({ kind: "body", turn: { kind: "turn" } });
  });
});

describe("a turn", () => {
  it("is sent to nobody, and no engine told of it, where its client has left when it is planned", async () => {
    const path = await open();
    const client = new AbortController();
    path.bench.onRead = () => client.abort();
    const left = await path.begin("one ", { signal: client.signal });
    expect(left.status).toBe("client_gone");
    left.turn.abandon();
    await until(() => path.bench.seen.includes("aborted unsent"));
    expect(path.seen).toEqual(["client_gone"]);
    expect(path.engines.closed).toEqual([]);
  });

  it("tells what its request waited for, part by part", async () => {
    const path = await open();
    await path.turn("one ", "two ");
    expect(path.parts).toEqual(["read", "tokens", "plan", "inject"]);
    await path.turn({ prompt: "one " }, "two ");
    expect(path.parts.slice(4)).toEqual(["read"]);
  });

  it("is given what the turn before it stored, and stores from there on", async () => {
    const path = await open();
    const first = await path.turn("one ", "two ");
    expect(first.status).toBe("reused=0");
    const second = await path.begin("one two three ");
    expect(second.status).toBe("reused=7");
    expect(bodyOf(second).session_params).toEqual({
      id: "own-2",
      stored_kv_cache: [{ token_start: 0, token_length: 7, kv_uri: "file:///a", kv_start: 0 }],
      fresh_kv_cache: [{ token_start: 7, token_length: 11, kv_uri: "file:///a", kv_start: 8 * 32 }],
    });
    expect(path.seen).toEqual(["injected 0/4", "committed", "injected 7/14"]);
  });

  it("loads although nothing can be stored, where engines do, and is over with its answer", async () => {
    const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });
    const path = new PathBench(await benches.open(FULL_WITH_ONE), { dialect });
    await path.turn("one ", "two ");
    const second = await path.turn("one two three ", "four");
    expect(second.status).toBe("reused=7");
    expect(bodyOf(second).kvcache_params).not.toHaveProperty("fresh_kvcache");
    expect(path.seen.slice(2)).toEqual(["injected 7/14", "unreserved"]);
    expect(path.engines.closed).toEqual([`${ENGINE_A.address} own-1`, `${ENGINE_A.address} own-2`]);
  });

  it("passes where nothing can be stored and its engine would refuse to load alone", async () => {
    const path = new PathBench(await benches.open(FULL_WITH_ONE));
    await path.turn("one ", "two ");
    const second = await path.begin("one two three ");
    expect(second.status).toBe("quota_bytes");
    expect(bodyOf(second)).toEqual(generate("one two three "));
  });

  it("may go on only to engines that are ready, however often Envoy tries", async () => {
    const path = await open();
    const both = (await path.begin("one ")).fallbacks;
    expect(both.slice(0, 3)).toEqual([ENGINE_B, ENGINE_A, ENGINE_B]);
    path.engines.states.set(ENGINE_B.address, { kind: "off", reason: "engine_mismatch" });
    const alone = (await path.begin("one ", { session: session("b") })).fallbacks;
    expect(new Set(alone)).toEqual(new Set([ENGINE_A]));
    for (const { length } of [both, alone]) expect(length).toBeGreaterThanOrEqual(7);
  });

  it("has no KV, nor goes on to such an engine, where it has tools that the engine writes out otherwise", async () => {
    const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });
    const path = new PathBench(await benches.open(), { dialect });
    const chat = { messages: [{ role: "user", content: "one " }], max_tokens: 4 };
    const tools = [{ type: "function", function: { name: "f" } }];
    const at = "/v1/chat/completions";
    const other: EngineState = { kind: "ready", instance: "other", hasOtherTools: true };
    path.engines.states.set(ENGINE_B.address, other);
    const here = await path.begin({ ...chat, tools }, {}, at);
    expect([here.status, new Set(here.fallbacks)]).toEqual(["reused=0", new Set([ENGINE_A])]);
    const there = { endpoint: ENGINE_B, fallbacks: [] };
    const refused = await path.begin({ ...chat, tools }, { ...there, session: session("b") }, at);
    expect(refused.status).toBe("tokenizer_mismatch");
    const declared = { messages: [{ role: "system", content: "", tools }, ...chat.messages] };
    const inMidst = await path.begin(declared, { ...there, session: session("d") }, at);
    expect(inMidst.status).toBe("tokenizer_mismatch");
    const plain = await path.begin(chat, { ...there, session: session("c") }, at);
    expect(plain.status).toBe("reused=0");
  });

  it("sends the ids of a text, which an equal prompt of ids finds", async () => {
    const path = await open();
    const sampling_params = { max_new_tokens: 4 };
    const first = await path.turn({ text: "one ", sampling_params }, "two ");
    expect(bodyOf(first)).toMatchObject({ input_ids: codesOf("one ") });
    expect(bodyOf(first).text).toBeUndefined();
    expect((await path.begin("one two !")).status).toBe("reused=7");
  });

  it("lets the engine tokenise where it is told to, and keeps such prompts apart, and their answers out", async () => {
    const path = new PathBench(await benches.open(), { sendTokens: false });
    const sampling_params = { max_new_tokens: 4 };
    const first = await path.turn({ text: "one ", sampling_params }, "two ");
    expect(bodyOf(first)).toMatchObject({ text: "one " });
    expect(bodyOf(first).input_ids).toBeUndefined();
    expect((await path.begin({ text: "one two !", sampling_params })).status).toBe("reused=4");
    const other = { session: session("b") };
    expect((await path.begin("one two !", other)).status).toBe("reused=0");
  });
});

describe("a chat", () => {
  it("stores its prompt alone, since no engine tells the ids of its answer, and its prompt is found again", async () => {
    const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });
    const path = new PathBench(await benches.open(), { dialect });
    const ask = async (content: string) => {
      const body = { model: "m", messages: [{ role: "user", content }], max_tokens: 4 };
      const begun = await path.begin(body, {}, "/v1/chat/completions");
      const { kv_transfer_params: kv } = JSON.parse(Buffer.concat([...begun.body]).toString());
      return { begun, ...kv.kvcache_params };
    };
    const { begun, id, fresh_kvcache } = await ask("one ");
    expect(fresh_kvcache).toMatchObject([{ token_start: 0, token_length: 4 }]);
    const [part] = fresh_kvcache;
    await path.bench.write({ tokenStart: 0, tokenLength: 4, kvUri: part.kv_uri, kvStart: 0 });
    const answer = {
      choices: [{ index: 0, message: { role: "assistant", content: "two " } }],
      usage: { prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 },
      kv_transfer_params: { kvcache_params: { id, fresh_kvcache } },
    };
    begun.turn.answer(SERVED)?.push(Buffer.from(JSON.stringify(answer)), true);
    await path.ended();
    expect((await ask("one two ")).begun.status).toBe("reused=4");
    expect((await path.begin("one two ", { session: session("b") })).status).toBe("reused=0");
  });
});

describe("a session", () => {
  it("is made at its first turn, of the tenant's default class or of the one that is asked for", async () => {
    const path = await open();
    const { catalog } = path.bench;
    await path.begin("one ");
    expect(await catalog.session(session("a"))).toMatchObject({
      model: "small",
      retention: { name: "standard" },
    });
    await path.begin("one ", { session: session("b"), retentionClass: "premium" });
    expect(await catalog.session(session("b"))).toMatchObject({ retention: { name: "premium" } });
    await path.begin("one ", { session: session("c"), retentionClass: "unheard" });
    expect(await catalog.session(session("c"))).toMatchObject({ retention: { name: "standard" } });
  });

  it("is not made above the quota, and the body passes as it came", async () => {
    const path = new PathBench(await benches.open({ quota: { ...PLENTY, sessions: 0 } }));
    const begun = await path.begin("one ");
    expect(begun.status).toBe("quota_sessions");
    expect(bodyOf(begun)).toEqual(generate("one "));
    expect(begun.fallbacks).toEqual([ENGINE_B]);
  });

  it("of another model than the pool's is given nothing", async () => {
    const path = await open();
    await path.turn("one ", "two ");
    path.bench.profile = { ...path.bench.profile, weightVersion: "2" };
    expect((await path.begin("one two !")).status).toBe("other_model");
  });
});

describe("a body passes as it came, less what clients may not send", () => {
  it("where the request is none of a turn", async () => {
    const path = await open();
    const forged = { stored_kv_cache: [{ kv_uri: "file:///of-somebody-else" }] };
    const begun = await path.begin({ input_ids: [[1], [2]], session_params: forged });
    expect(begun.status).toBe("batch");
    expect(JSON.stringify(bodyOf(begun))).not.toContain("somebody");
    expect(path.seen).toEqual(["batch"]);
    expect(await path.bench.catalog.session(session("a"))).toBeUndefined();
  });

  it.each<[EngineState & { kind: "off" }]>([
    [{ kind: "off", reason: "engine_unknown" }],
    [{ kind: "off", reason: "engine_miscounted" }],
  ])("where the engine is %o", async (state) => {
    const path = await open();
    path.engines.states.set(ENGINE_A.address, state);
    const begun = await path.begin("one ");
    expect(begun.status).toBe(state.reason);
    expect(bodyOf(begun)).toEqual(generate("one "));
  });

  it("where there are no tokens of the prompt", async () => {
    const tokens = {
      ...letterTokens,
      encode: async () => ({ kind: "unencoded", reason: "no_template" }) as const,
    };
    const path = new PathBench(await benches.open(), { tokens });
    expect((await path.begin("one ")).status).toBe("no_template");
  });

  it("where there is nothing to load and nowhere to store", async () => {
    const path = new PathBench(await benches.open({ quota: { ...PLENTY, bytes: 0 } }));
    const begun = await path.begin("one ");
    expect(begun.status).toBe("quota_bytes");
    expect(bodyOf(begun)).toEqual(generate("one "));
  });

  it("where the catalog cannot be written, and turns go on when it can", async () => {
    const faults = [new CatalogFault("no space")];
    const bench = await benches.open({}, (catalog) => ({
      ...catalog,
      create: async (request) => {
        for (const fault of faults.splice(0)) throw fault;
        return catalog.create(request);
      },
    }));
    const path = new PathBench(bench);
    expect((await path.begin("one ")).status).toBe("catalog_failed");
    expect(path.seen).toEqual(["create failed", "catalog_failed"]);
    expect((await path.begin("one ")).status).toBe("reused=0");
  });

  it("where planning meets a bug, which the log has", async () => {
    const bug = new Error("a bug");
    const tokens = { ...letterTokens, encode: () => Promise.reject(bug) };
    const path = new PathBench(await benches.open(), { tokens });
    const begun = await path.begin("one ");
    expect(begun.status).toBe("failed");
    expect(bodyOf(begun)).toEqual(generate("one "));
    expect(path.failures).toEqual([bug]);
  });

  it("where the engine became another while the turn was planned, and nothing stays reserved", async () => {
    const engines: { restart?: () => void } = {};
    const tokens = {
      ...letterTokens,
      encode: (prompt: Parameters<typeof letterTokens.encode>[0]) => {
        engines.restart?.();
        return letterTokens.encode(prompt);
      },
    };
    const path = new PathBench(await benches.open(), { tokens });
    engines.restart = () =>
      path.engines.states.set(ENGINE_A.address, { kind: "ready", instance: "another" });
    expect((await path.begin("one ")).status).toBe("engine_unknown");
    await until(() => path.bench.seen.includes("aborted unsent"));
    expect((await path.bench.catalog.session(session("a")))?.turns).toEqual([]);
  });
});

it("passes unread the paths that the operator named, as they are sent and no others", async () => {
  const { pool } = await open();
  expect(pool.passes("/tokenize")).toBe(true);
  for (const path of ["/tokenize?", "/tokenize/", "/%74okenize", "//tokenize", "/generate"]) {
    expect(pool.passes(path)).toBe(false);
  }
});

it("keeps clients from what changes an engine's weights, unless the operator named the path", async () => {
  const { pool } = await open();
  expect(pool.forbids("/unload_lora_adapter")).toBe(true);
  expect(pool.forbids("/load_lora_adapter")).toBe(false);
  expect(pool.forbids("/generate")).toBe(false);
});
