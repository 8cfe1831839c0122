/** Sessions of a model whose engines keep KV in slots, as callers of the API see what their prompts would find. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { KvClient } from "../../client/index.ts";
import type { paths } from "../../client/schema.d.ts";
import type { Prompt as TurnPrompt } from "../../src/kv/dialects/dialect.ts";
import { unhurried } from "../../src/json/slices.ts";
import { SlotDesks } from "../../src/kv/slots/slot-desks.ts";
import { SlotOnlooker } from "../../src/kv/slots/slot-onlooker.ts";
import type { SlotServerState } from "../../src/kv/slots/slot-server.ts";
import { toSnapshotPrompt } from "../../src/kv/snapshots/snapshot-prompt.ts";
import { TokenGuess } from "../../src/kv/tokens/token-guess.ts";
import { Predictor } from "../../src/kv/prediction/predictor.ts";
import type { PrefetchRequest } from "../../src/kv/turns/prefetcher.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { SlotStand, text } from "../support/kv/slot-stand.ts";
import { SnapshotBench } from "../support/kv/snapshot-bench.ts";
import { ENGINE_A } from "../support/path-bench.ts";
import { session } from "../support/turn-bench.ts";
import { promptOf } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

/** Its defaults are left out. */
type Prompt =
  paths["/v1/sessions/{id}/explain"]["post"]["requestBody"]["content"]["application/json"]["prompt"];

const [MEMORY] = CATALOGS;
const STORY = text("word", 200);
const IDS = Array.from({ length: 300 }, (_, at) => 1_000 + at);
const CHAT = {
  messages: [{ role: "user", content: STORY }],
  tools: [{ type: "function", function: { name: "f" } }],
  chat_template_kwargs: { enable_thinking: false },
};

describe("a session in slots", () => {
  const benches = new ApiBenches(MEMORY);
  let stored: SnapshotBench;
  let stand: SlotStand;
  let states: SlotServerState[];
  let client: KvClient;
  let prefetched: PrefetchRequest[];

  beforeEach(async () => {
    stored = await SnapshotBench.open();
    stand = new SlotStand();
    states = [{ kind: "ready", server: stand.server }];
    prefetched = [];
    const desks = new SlotDesks({ open: () => stand.desk, failed: () => {} });
    desks.of(ENGINE_A, stand.server);
    const onlooker = new SlotOnlooker({
      pool: "p",
      servers: { states: () => states },
      desks,
      snapshots: stored.desk,
      promptOf: toSnapshotPrompt,
      guess: new TokenGuess(),
      clock: stored.clock,
    });
    const found = { pool: "p", predictor: new Predictor(), pageSize: 1, prices: undefined };
    const opened = await benches.openWithSession({
      ports: {
        catalog: stored.catalog,
        location: (id) => stored.location(id),
        nowMs: () => stored.clock.now(),
        slots: { ofModel: (model) => (model === "m" ? onlooker : undefined) },
        predictions: { ofModel: () => found },
        prefetcher: {
          prefetch: async (request) => {
            prefetched.push(request);
            return { segments: 0, bytes: 0, nearBytes: 0, queuedBytes: 0 };
          },
        },
      },
    });
    client = opened.client;
    await stored.create("s");
  });
  afterEach(async () => {
    await benches.close();
    expect(await stored.close()).toEqual([]);
  });

  const keep = (name: string, words: string, tokens = 200) =>
    stored.kept(name, words, { tokens, geometry: stand.server.geometry });
  const at = (id = "s") => ({ params: { path: { id } } });
  const ask = (prompt: object, id = "s") =>
    client.POST("/v1/sessions/{id}/explain", { ...at(id), body: { prompt: prompt as Prompt } });
  const explain = async (prompt: object) => (await ask(prompt)).data;

  it("is told the snapshot that would be restored, about how many tokens it spares, and the others", async () => {
    const other = await stored.kept("s", STORY, { tokens: 200 }); // of other weights
    const { id } = await keep("s", STORY);
    const asked = `${STORY} more`;
    expect(await explain({ text: asked })).toMatchObject({
      prompt_tokens: Math.round(asked.length / 4),
      stored_tokens: 200,
      segments: [{ id, snapshot: true, location: "a", replicas: [] }],
      limit: "end_of_stored",
      page_size: 1,
      load_threshold: 32,
      unused: [{ id: other.id }],
      slots: [],
      last_turn: null,
    });
  });

  it("is told how far a prompt goes along that goes another way", async () => {
    const { id } = await keep("s", STORY);
    const half = `${STORY.slice(0, STORY.length / 2)} and now for something else`;
    const shown = await explain({ text: half });
    expect(shown).toMatchObject({ segments: [{ id }], limit: "diverged", unused: [] });
    expect(shown?.stored_tokens).toBeGreaterThan(60);
    expect(shown?.stored_tokens).toBeLessThanOrEqual(100);
  });

  it.each([
    { form: "a chat", prompt: { chat: CHAT }, other: { chat: { messages: CHAT.messages } } },
    { form: "ids", prompt: { ids: IDS }, other: { ids: IDS.toReversed() } },
  ])("has the text that the request of $form has", async ({ prompt, other }) => {
    const chat = { tools: CHAT.tools, templateKwargs: CHAT.chat_template_kwargs };
    const sent: TurnPrompt = prompt.chat
      ? { kind: "chat", chat: { ...chat, messages: CHAT.messages, continueFinalMessage: false } }
      : { kind: "ids", ids: Uint32Array.from(IDS) };
    const { bytes } = await unhurried(toSnapshotPrompt(sent, {}), async () => {});
    await keep("s", Buffer.from(bytes).toString());
    expect(await explain(prompt)).toMatchObject({ stored_tokens: 200, limit: "end_of_stored" });
    expect(await explain(other)).toMatchObject({ stored_tokens: 0, limit: "nothing_stored" });
  });

  it("is told of ids in the URL as well, which are counted", async () => {
    await keep("s", `${IDS.join(",")},`);
    const query = { ids: IDS.join(","), kind: "engine" as const };
    const answer = await client.GET("/v1/sessions/{id}/explain", {
      params: { path: { id: "s" }, query },
    });
    expect(answer.data).toMatchObject({ prompt_tokens: IDS.length, stored_tokens: 200 });
  });

  it("is told where it sits, and how much of the prompt is there", async () => {
    await stand.turn("s", STORY);
    const slots = [{ engine: ENGINE_A.address, slot: 0, tokens: 203, reused_tokens: 203 }];
    expect(await explain({ text: `${STORY} ${STORY}` })).toMatchObject({ stored_tokens: 0, slots });
    const salted = { text: `${STORY} ${STORY}`, cache_salt: "x" };
    expect(await explain(salted)).toMatchObject({ slots: [{ ...slots[0], reused_tokens: 0 }] });
    const seat = await stand.seated("t", text("t", 50));
    await stored.create("t");
    const first = { engine: ENGINE_A.address, slot: seat.slot, tokens: 0, reused_tokens: 0 };
    expect((await ask({ text: "x" }, "t")).data).toMatchObject({ slots: [first] });
    states = [{ kind: "ready", server: new SlotStand().server }];
    expect(await explain({ text: STORY })).toMatchObject({ slots: [] });
  });

  it("is told why nothing would be restored", async () => {
    const { id } = await keep("s", STORY);
    const limit = async (words = STORY) => {
      const shown = await explain({ text: words });
      expect(shown).toMatchObject({ stored_tokens: 0, segments: [], unused: [{ id }] });
      return shown?.limit;
    };
    expect(await limit(STORY.toUpperCase())).toBe("nothing_stored");
    stand.server.contextTokens = 199;
    expect(await limit()).toBe("not_worth");
    states = [{ kind: "off", reason: "slots_off" }];
    expect(await limit()).toBe("slots_off");
    states = [];
    expect(await limit()).toBe("engine_unknown");
  });

  it("is told of nothing that spares fewer than 32 tokens", async () => {
    await keep("s", STORY, 40);
    const part = STORY.slice(0, STORY.length / 2);
    expect(await explain({ text: STORY })).toMatchObject({ stored_tokens: 40 });
    expect(await explain({ text: part })).toMatchObject({ stored_tokens: 0, limit: "not_worth" });
  });

  it("is changed by none of that", async () => {
    const { id } = await keep("s", STORY);
    const seen = async () => [
      await stored.catalog.session(session("s")),
      await stored.catalog.segment(id),
      [...stored.reads, ...stored.seen, ...stored.pressures],
    ];
    const before = await seen();
    await stored.clock.advance(1_000);
    await explain({ text: STORY });
    await client.POST("/v1/predict", { body: { session: "s", prompt: { text: STORY } as Prompt } });
    expect(await seen()).toEqual(before);
    await stored.kept("s", `${STORY} more`, { geometry: stand.server.geometry });
    const sweep = { nowMs: stored.clock.now(), limit: 100, quarantineMs: 0 };
    expect((await stored.catalog.sweep(sweep)).unlinkable).toHaveLength(1); // nobody leased it
  });

  it("has a turn predicted by what is stored, or sits in a slot", async () => {
    await keep("s", STORY);
    const predict = async (of: object, prompt: object) => {
      const { data } = await client.POST("/v1/predict", {
        body: { ...of, prompt: prompt as Prompt },
      });
      return [data?.prompt_tokens, data?.stored_tokens, data?.limit];
    };
    const [asked, size] = [{ text: STORY }, Math.round(STORY.length / 4)];
    expect(await predict({ session: "s" }, asked)).toEqual([size, 200, "end_of_stored"]);
    expect(await predict({ model: "m" }, asked)).toEqual([size, 200, "end_of_stored"]);
    await stand.turn("s", text("slot", 300));
    const long = { text: `${text("slot", 300)} more` };
    expect((await predict({ session: "s" }, long)).slice(1)).toEqual([303, "nothing_stored"]);
  });

  it("has brought near what would be restored, or all that it has", async () => {
    const { id } = await keep("s", STORY);
    const prefetch = async (prompt?: object) => {
      const body = prompt === undefined ? {} : { prompt: prompt as Prompt };
      const { response } = await client.POST("/v1/sessions/{id}/prefetch", { ...at(), body });
      expect(response.status).toBe(202);
      return prefetched.at(-1);
    };
    expect(await prefetch({ text: STORY })).toMatchObject({ segments: [{ id }] });
    expect(await prefetch({ text: "another" })).toMatchObject({ segments: [] });
    expect(await prefetch()).toEqual({ session: session("s") });
  });

  it("takes no prompt of another form, and is in no plan", async () => {
    const fieldsOf = async (answer: Promise<{ error?: { errors?: { field: string }[] } }>) =>
      (await answer).error?.errors?.map(({ field }) => field);
    const grid = ["ab".repeat(32)];
    expect(await fieldsOf(ask({ grid }))).toEqual(["prompt.grid"]);
    expect(await fieldsOf(ask({ ids: IDS, kind: "tokenizer" }))).toEqual(["prompt.kind"]);
    expect(await fieldsOf(ask({ ids: IDS, text: STORY }))).toEqual(["prompt"]);
    expect(await fieldsOf(ask({ chat: { messages: [{ content: "x" }] } }))).toEqual([
      "prompt.chat.messages",
    ]);
    const image = { role: "user", content: [{ type: "image_url" }] };
    expect(await fieldsOf(ask({ chat: { messages: [image] } }))).toEqual(["prompt.chat.messages"]);
    const body = { prompt: promptOf("one"), max_new_tokens: 0 };
    expect(await fieldsOf(client.POST("/v1/sessions/{id}/plan", { ...at(), body }))).toEqual([
      "model",
    ]);
  });
});

it("a session of other engines takes no text and no chat", async () => {
  const benches = new ApiBenches(MEMORY);
  const { client } = await benches.openWithSession();
  for (const [field, prompt] of [
    ["prompt.text", { text: STORY }],
    ["prompt.chat", { chat: CHAT }],
  ] as const) {
    const params = { path: { id: "a" } };
    const body = { prompt: prompt as Prompt };
    const explained = await client.POST("/v1/sessions/{id}/explain", { params, body });
    const prefetched = await client.POST("/v1/sessions/{id}/prefetch", { params, body });
    for (const { response, error } of [explained, prefetched]) {
      expect([response.status, error?.errors?.[0]?.field]).toEqual([400, field]);
    }
  }
  await benches.close();
});
