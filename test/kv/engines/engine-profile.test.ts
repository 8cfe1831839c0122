import { describe, expect, it } from "vitest";
import {
  maxPromptTokens,
  misplacesLoads,
  parseSaid,
  profileDifferences,
  tellsUsage,
} from "../../../src/kv/engines/engine-profile.ts";
import { PROFILE, SERVER_INFO } from "../../support/engine-info.ts";

const differences = (said: Readonly<Record<string, unknown>>) =>
  profileDifferences({ ...SERVER_INFO, ...said }, PROFILE);

describe("what an engine says of itself", () => {
  it("is what the profile says, whatever else it says", () => {
    expect(differences({ internal_states: [{}], version: "0.5.6", tp_rank: 7 })).toEqual([]);
  });

  it.each([
    [{ tp_size: 4 }, "tp_size 4, not 2"],
    [{ pp_size: 2 }, "pp_size 2, not 1"],
    [{ attn_cp_size: 2 }, "attn_cp_size 2, not 1"],
    [{ dcp_size: 2 }, "dcp_size 2, not 1"],
    [{ enable_dp_attention: true }, "enable_dp_attention true, not false"],
    [{ page_size: 1 }, "page_size 1, not 16"],
    [{ page_size: "16" }, 'page_size "16", not 16'],
    [{ kv_cache_dtype: "fp8_e5m2" }, 'kv_cache_dtype "fp8_e5m2", not bf16'],
    [{ kv_cache_dtype: "float16" }, 'kv_cache_dtype "fp16", not bf16'],
    [{ kv_cache_dtype: "auto", dtype: "half" }, 'dtype "fp16", not bf16'],
    [{ weight_version: "w2" }, 'weight_version "w2", not w1'],
    [
      { model_path: "b/c", served_model_name: "c" },
      'served_model_name "c", model_path "b/c", not a/m',
    ],
    [{ model_path: "/models/m", served_model_name: "m" }, 'served_model_name "m", not a/m'],
    [{ tp_size: { deep: "x".repeat(200) } }, `tp_size {"deep":"${"x".repeat(91)}, not 2`],
  ])("differs by %o", (said, difference) => {
    expect(differences(said)).toEqual([difference]);
  });

  it("is told with all that differs", () => {
    expect(differences({ tp_size: 4, page_size: 1 })).toEqual([
      "tp_size 4, not 2",
      "page_size 1, not 16",
    ]);
  });

  it.each([
    [{ tp_size: null, page_size: undefined }],
    [{ pp_size: 1, attn_cp_size: 1, dcp_size: 1, enable_dp_attention: false }],
    [{ kv_cache_dtype: "auto" }],
    [{ kv_cache_dtype: "auto", dtype: "auto" }],
    [{ kv_cache_dtype: "auto", dtype: "bfloat16" }],
    [{ kv_cache_dtype: "bf16", dtype: "half" }],
    [{ kv_cache_dtype: "bfloat16" }],
    [{ weight_version: "default" }],
    [{ model_path: "/models/m", served_model_name: "/models/m" }],
    [{ model_path: "./m", served_model_name: null }],
    [{ model_path: "/models/m", served_model_name: "a/m" }],
    [{ model_path: "a/m", served_model_name: "chat" }],
  ])("does not differ by %o, which leaves it open", (said) => {
    expect(differences(said)).toEqual([]);
  });

  it.each(["", "{", "[]", "null", "7", '"a"'])("is no object: %s", (text) => {
    expect(parseSaid(text)).toBeUndefined();
  });

  it("tells whether its streams tell their usage unasked", () => {
    const name = "stream_response_default_include_usage";
    expect([{}, { [name]: false }, { [name]: null }, { [name]: true }].map(tellsUsage)).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  it.each([
    [{ max_req_input_len: 20_474, context_length: null, max_total_num_tokens: 20_480 }, 20_474],
    [{ context_length: 32_768, max_total_num_tokens: 20_480 }, undefined],
    [{ max_req_input_len: null }, undefined],
    [{ max_req_input_len: "20474" }, undefined],
    [{ max_req_input_len: 0 }, undefined],
  ])("tells how long a prompt it takes: %o", (said, tokens) => {
    expect(maxPromptTokens(said)).toBe(tokens);
  });

  it("does not tell whether KV of 8 bits is, where it follows from the files of the model", () => {
    const profile = { ...PROFILE, dtype: "fp8_e4m3" } as const;
    const said = { ...SERVER_INFO, kv_cache_dtype: "auto", dtype: "bfloat16" };
    expect(profileDifferences(said, profile)).toEqual([]);
  });

  it("may be attention that is data-parallel, where every rank has the same KV", () => {
    const profile = { ...PROFILE, kind: "mla", loraRank: 16, ropeDim: 4 } as const;
    const said = { ...SERVER_INFO, enable_dp_attention: true };
    expect(profileDifferences(said, profile)).toEqual([]);
  });

  it.each([
    [{ enable_hierarchical_cache: false }, true],
    [{ enable_hierarchical_cache: false, disable_radix_cache: undefined }, true],
    [{ enable_hierarchical_cache: false, disable_radix_cache: true }, false],
    [{ enable_hierarchical_cache: true }, false],
    [{ enable_hierarchical_cache: undefined }, false],
    [{ enable_hierarchical_cache: null }, false],
  ])("tells whether it would load to a wrong place of its own cache: %o", (said, misplaces) => {
    const all = { ...SERVER_INFO, ...said };
    expect(misplacesLoads(all, "sglang-explicit")).toBe(misplaces);
    expect(misplacesLoads(all, "sglang-session")).toBe(false);
  });

  it("may be nothing at all", () => {
    expect(profileDifferences({}, PROFILE)).toEqual([]);
  });
});
