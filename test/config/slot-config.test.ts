/** `pools[].kv` of servers that keep KV in slots. */
import { describe, expect, it } from "vitest";
import {
  modelProfiles,
  slotPools,
  slotSessionModel,
  turnPools,
} from "../../src/config/kv-config.ts";
import { parse, problemsOf } from "../support/config-problems.ts";
import { kvText } from "../support/kv-config.ts";

const DIALECT = "dialect: llamacpp-slots";

function slotText(keys = "", pool = ""): string {
  const kv = `kv: { ${DIALECT}${keys && `, ${keys}`} }`;
  return kvText({}).replace(
    /name: default, endpoints: \[\], kv: \{.*\} \}\]/,
    `name: default${pool}, endpoints: [], ${kv} }]`,
  );
}

describe("a pool of servers with slots", () => {
  it("needs no profile, and saves after every turn", () => {
    const { pools } = parse(slotText());
    expect(pools[0]?.kv).toMatchObject({
      profile: null,
      slots: {
        apiKeyFile: null,
        modelId: null,
        cacheTypeK: "f16",
        cacheTypeV: "f16",
        perServer: null,
        contextTokens: null,
        save: "every_turn",
        idleMs: 60_000,
        minTokens: 256,
        waitingLimit: 256,
      },
    });
    expect(slotPools(pools).map(({ name }) => name)).toEqual(["default"]);
    expect(turnPools(pools)).toEqual([]);
  });

  it("names its key's file from the folder of the configuration", () => {
    const { pools } = parse(slotText("slots: { apiKeyFile: keys/llama }"));
    expect(pools[0]?.kv?.slots.apiKeyFile).toMatch(/^\/.*\/keys\/llama$/);
  });

  it("keeps within its limits", () => {
    const keys =
      'slots: { apiKeyFile: "", modelId: "", cacheTypeK: q2, perServer: 0, contextTokens: 0, save: never, idleMs: 99, minTokens: 0, waitingLimit: 100001 }';
    expect(problemsOf(slotText(keys))).toEqual([
      'pools[0].kv.slots.apiKeyFile "" must be a path of 1..4096 characters',
      'pools[0].kv.slots.modelId "" must be 1..256 characters',
      'pools[0].kv.slots.cacheTypeK "q2" must be one of f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1',
      "pools[0].kv.slots.perServer 0 must be >= 1",
      "pools[0].kv.slots.contextTokens 0 must be >= 1",
      'pools[0].kv.slots.save "never" must be one of every_turn, on_evict, idle',
      "pools[0].kv.slots.idleMs 99 must be >= 100",
      "pools[0].kv.slots.minTokens 0 must be >= 1",
      "pools[0].kv.slots.waitingLimit 100001 must be <= 100000",
    ]);
  });

  it.each([
    [
      "profile: { kind: mha, id: m, revision: r, layers: 1, kvHeads: 1, headDim: 1, dtype: bf16 }",
      "profile",
    ],
    ["exposeKv: true", "exposeKv true"],
    ["sendTokens: false", "sendTokens false"],
    ["tokenizer: { file: t }", "tokenizer"],
    ["specialTokens: [a]", "specialTokens (1 items)"],
  ])("has no use for %s", (keys, told) => {
    expect(problemsOf(slotText(keys))).toEqual([
      `pools[0].kv.${told} has no effect with dialect llamacpp-slots beside it`,
    ]);
  });

  it("has a time to be idle for where it saves what is idle, and nowhere else", () => {
    const told = "pools[0].kv.slots.idleMs 5000 has no effect without save: idle beside it";
    expect(problemsOf(slotText("slots: { idleMs: 5000 }"))).toEqual([told]);
    expect(problemsOf(slotText("slots: { save: on_evict, idleMs: 5000 }"))).toEqual([told]);
    expect(problemsOf(slotText("slots: { save: idle, idleMs: 5000 }"))).toEqual([]);
  });

  it("has models of which sessions are made, and nothing is planned", () => {
    const named = parse(slotText("slots: { modelId: id }", ", models: [m]")).pools;
    const unnamed = parse(slotText("slots: { modelId: id }")).pools;
    const model = (pools: typeof named) => slotPools(pools).map(slotSessionModel);
    expect([model(named), model(unnamed), model(parse(slotText()).pools)]).toEqual([
      ["m"],
      ["id"],
      ["default"],
    ]);
    expect(modelProfiles(named).hasSnapshots?.("m")).toBe(true);
    expect(modelProfiles(named).profile("m")).toBeUndefined();
  });
});

describe("a pool of any other engines", () => {
  it("needs its profile", () => {
    for (const keys of ["dialect: sglang-session", "prices: null"]) {
      expect(problemsOf(slotText().replace(DIALECT, keys))).toEqual([
        "pools[0].kv.profile is required, unless dialect is llamacpp-slots",
      ]);
    }
  });

  it("has no use for slots", () => {
    const slots = "slots: { minTokens: 1 }";
    expect(problemsOf(kvText({ turns: `dialect: sglang-session, ${slots}` }))).toEqual([
      "pools[0].kv.slots has no effect without dialect llamacpp-slots beside it",
    ]);
    expect(problemsOf(kvText({ turns: slots }))).toEqual([
      "pools[0].kv.slots has no effect without dialect beside it",
    ]);
  });
});
