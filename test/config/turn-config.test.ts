import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { configWarnings } from "../../src/config/warnings.ts";
import { parse, problemsOf } from "../support/config-problems.ts";
import { kvText } from "../support/kv-config.ts";

const DIALECT = "dialect: sglang-session";

function turnsOf(turns: string) {
  return parse(kvText({ turns })).pools[0]?.kv;
}

describe("turns in the request path", () => {
  const problemsWith = (turns: string, top = "") => problemsOf(kvText({ turns, top }));

  it("are none unless the pool names its dialect", () => {
    expect(turnsOf("")).toMatchObject({
      dialect: null,
      passPaths: [],
      exposeKv: false,
      bodyLimitBytes: 8_388_608,
      holdMs: 10_000,
      sendTokens: true,
      tokenizer: null,
      specialTokens: [],
    });
  });

  it.each(["sglang-session", "sglang-explicit"])("may be in the dialect %s", (dialect) => {
    expect(turnsOf(`dialect: ${dialect}`)?.dialect).toBe(dialect);
  });

  it("have files that are found from the configuration's folder", () => {
    expect(
      turnsOf(`${DIALECT}, tokenizer: { file: m/tokenizer.json, template: /t }`)?.tokenizer,
    ).toEqual({ file: "/etc/moorline/m/tokenizer.json", config: null, template: "/t" });
    expect(turnsOf(`${DIALECT}, tokenizer: { file: /t, config: c }`)?.tokenizer).toEqual({
      file: "/t",
      config: "/etc/moorline/c",
      template: null,
    });
  });

  it("keep within their limits", () => {
    const within = "passPaths: [/v1/models], bodyLimitBytes: 33554432, holdMs: 600000";
    expect(problemsWith(`${DIALECT}, ${within}`)).toEqual([]);
    const beyond = 'passPaths: [models, /a, /a, "/a?b"], bodyLimitBytes: 33554433, holdMs: 99';
    const path = "a path of 1..256 visible ASCII characters that starts with / and has no ? or #";
    expect(problemsWith(`dialect: vllm, ${beyond}, tokenizer: {}`)).toEqual([
      'pools[0].kv.dialect "vllm" must be one of sglang-session, sglang-explicit, llamacpp-slots',
      `pools[0].kv.passPaths[0] "models" must be ${path}`,
      `pools[0].kv.passPaths[3] "/a?b" must be ${path}`,
      'pools[0].kv.passPaths[2] "/a" must not be listed twice',
      "pools[0].kv.bodyLimitBytes 33554433 must be <= 33554432",
      "pools[0].kv.holdMs 99 must be >= 100",
      "pools[0].kv.tokenizer.file is required",
    ]);
  });

  it("split texts at strings that no neighbour takes anything of", () => {
    const limit = "must be 1..64 bytes without white space at the ends";
    const longest = `<${"é".repeat(31)}>`;
    expect(problemsWith(`${DIALECT}, specialTokens: ["<s>", "< s >", "${longest}"]`)).toEqual([]);
    const beyond = `["", " <s>", "<s>\\n", "${longest}>", "\\uD83D", "<s>", "<s>"]`;
    expect(problemsWith(`${DIALECT}, specialTokens: ${beyond}`)).toEqual([
      `pools[0].kv.specialTokens[0] "" ${limit}`,
      `pools[0].kv.specialTokens[1] " <s>" ${limit}`,
      `pools[0].kv.specialTokens[2] "<s>\\n" ${limit}`,
      `pools[0].kv.specialTokens[3] "${longest}>" ${limit}`,
      expect.stringMatching(limit),
      'pools[0].kv.specialTokens[6] "<s>" must not be listed twice',
    ]);
  });

  it("need no special tokens where there is a tokenizer", () => {
    const both = `${DIALECT}, tokenizer: { file: t }, specialTokens: ["<s>"]`;
    expect(problemsWith(both)).toEqual([
      "pools[0].kv.specialTokens (1 items) has no effect with tokenizer beside it",
    ]);
  });

  it.each([
    ["passPaths: [/a]", "passPaths (1 items)"],
    ["exposeKv: true", "exposeKv true"],
    ["bodyLimitBytes: 8388607", "bodyLimitBytes 8388607"],
    ["holdMs: 9999", "holdMs 9999"],
    ["sendTokens: false", "sendTokens false"],
    ["tokenizer: { file: t }", "tokenizer"],
    ["specialTokens: [a]", "specialTokens (1 items)"],
  ])("need a dialect for %s", (turns, told) => {
    expect(problemsWith(turns)).toEqual([
      `pools[0].kv.${told} has no effect without dialect beside it`,
    ]);
    expect(problemsWith(`${DIALECT}, ${turns}`)).toEqual([]);
  });

  it("need the KV service", () => {
    const alone = kvText({ turns: DIALECT }).replace(/kv:\n.*/s, "");
    expect(problemsOf(alone)).toEqual([
      'pools[0].kv.dialect "sglang-session" must be null, because there is no kv section',
    ]);
  });

  it("have bodies of which all exchanges together may hold one", () => {
    const limitedTo = (bytes: number) =>
      problemsWith(
        `${DIALECT}, bodyLimitBytes: 9000000`,
        `extproc: { bufferedBytesLimit: ${bytes} }`,
      );
    expect(limitedTo(9_000_000)).toEqual([]);
    expect(limitedTo(8_999_999)).toEqual([
      "extproc.bufferedBytesLimit 8999999 must be >= pools[0].kv.bodyLimitBytes 9000000",
    ]);
  });
});

describe("the time that a turn may be held", () => {
  const warningsWith = (holdMs: number, kv = "") =>
    configWarnings(parse(kvText({ turns: `${DIALECT}, holdMs: ${holdMs}`, kv })));

  it("is warned of where the reference bootstraps do not allow it", async () => {
    const folder = new URL("../../envoy/", import.meta.url);
    const names = (await readdir(folder)).filter((name) =>
      /^(override|original).*yaml$/.test(name),
    );
    const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder), "utf8")));
    const limits = texts.flatMap((text) => /max_message_timeout: (\d+)s/.exec(text)?.[1] ?? []);
    expect(new Set(limits)).toEqual(new Set(["30"]));
    expect(warningsWith(30_000)).toEqual([]);
    expect(warningsWith(30_001)).toEqual([
      expect.stringMatching(
        /^pools\[0\]\.kv\.holdMs 30001 is above 30000, the max_message_timeout /,
      ),
    ]);
  });

  it("is warned of where a turn may wait longer for another one", () => {
    expect(warningsWith(2000, "turns: { waitMs: 1599 }")).toEqual([]);
    expect(warningsWith(2000, "turns: { waitMs: 1600, whenBusy: branch }")).toEqual([]);
    expect(warningsWith(2000, "turns: { waitMs: 1600 }")).toEqual([
      expect.stringMatching(
        /^pools\[0\]\.kv\.holdMs 2000 leaves 1600 ms to plan in, not more than kv\.turns\.waitMs 1600: /,
      ),
    ]);
    expect(warningsWith(1203, "turns: { waitMs: 1000 }").join()).toContain(" leaves 962 ms ");
  });

  it("is no matter where no turn is held", () => {
    expect(configWarnings(parse(kvText({ kv: "turns: { waitMs: 60000 }" })))).toEqual([]);
  });
});
