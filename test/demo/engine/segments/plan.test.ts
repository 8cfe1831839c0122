import { describe, expect, it } from "vitest";
import {
  explicitDialect,
  parseKvRequest,
  sessionDialect,
} from "../../../../demo/engine/protocol/kv-dialects.ts";
import type { KvDialect, KvRequest } from "../../../../demo/engine/protocol/kv-dialects.ts";
import { segmentsToLoad, segmentsToSave } from "../../../../demo/engine/segments/plan.ts";

const rules = { pageSize: 16, loadThreshold: 32, bytesPerToken: 10 };

type Range = readonly [start: number, length: number, bytes?: number];

function segments(ranges: readonly Range[]) {
  return ranges.map(([start, length, bytes]) => ({
    token_start: start,
    token_length: length,
    kv_uri: "file:///s",
    kv_start: start * 10,
    kv_length: bytes ?? null,
  }));
}

function request(
  lists: { stored?: readonly Range[]; fresh?: readonly Range[] },
  dialect: KvDialect = sessionDialect,
): KvRequest {
  const parsed = parseKvRequest(dialect, {
    id: "s",
    [dialect.stored]: segments(lists.stored ?? []),
    [dialect.fresh]: segments(lists.fresh ?? []),
  });
  if (parsed === undefined) throw new Error("there are lists");
  return parsed;
}

const loaded = (kv: KvRequest, heldTokens = 0) =>
  segmentsToLoad(kv, heldTokens, rules).map(({ tokenStart }) => tokenStart);

describe("stored segments", () => {
  it("are all loaded where the engine holds nothing", () => {
    expect(
      loaded(
        request({
          stored: [
            [0, 32],
            [32, 16],
          ],
        }),
      ),
    ).toEqual([0, 32]);
  });

  it("are loaded from the first that the engine does not wholly hold", () => {
    const kv = request({
      stored: [
        [0, 32],
        [32, 64],
      ],
    });
    expect(loaded(kv, 31)).toEqual([0, 32]);
    expect(loaded(kv, 32)).toEqual([32]);
    expect(loaded(kv, 48)).toEqual([32]);
  });

  it("are loaded only above the threshold, counted after what is held", () => {
    expect(loaded(request({ stored: [[0, 32]] }))).toEqual([]);
    expect(loaded(request({ stored: [[0, 48]] }))).toEqual([0]);
    expect(loaded(request({ stored: [[0, 48]] }), 16)).toEqual([]);
  });

  it("are not loaded where one of them starts or ends within a page", () => {
    expect(
      loaded(
        request({
          stored: [
            [0, 40],
            [40, 24],
          ],
        }),
      ),
    ).toEqual([]);
    expect(
      loaded(
        request({
          stored: [
            [0, 40],
            [40, 56],
          ],
        }),
        40,
      ),
    ).toEqual([]);
    expect(
      loaded(
        request({
          stored: [
            [0, 32],
            [32, 20],
          ],
        }),
      ),
    ).toEqual([]);
  });

  it("are not loaded after a gap that the engine does not fill", () => {
    expect(loaded(request({ stored: [[16, 64]] }))).toEqual([]);
    expect(loaded(request({ stored: [[16, 64]] }), 16)).toEqual([16]);
  });

  it("are not loaded with another length in bytes, in the dialect that compares it", () => {
    expect(loaded(request({ stored: [[0, 48, 480]] }))).toEqual([0]);
    expect(loaded(request({ stored: [[0, 48, 960]] }))).toEqual([]);
    expect(loaded(request({ stored: [[0, 48, 960]] }, explicitDialect))).toEqual([0]);
  });
});

const saved = (kv: KvRequest, tokens: number) =>
  segmentsToSave(kv, tokens, rules).map(({ tokenStart, tokenLength, kvLength }) => [
    tokenStart,
    tokenLength,
    kvLength,
  ]);

describe("fresh segments", () => {
  it("are stored up to the last whole page", () => {
    const kv = request({ fresh: [[0, 1000]] });
    expect(saved(kv, 63)).toEqual([[0, 48, 480]]);
    expect(saved(kv, 64)).toEqual([[0, 64, 640]]);
  });

  it("are stored no further than they were reserved", () => {
    expect(saved(request({ fresh: [[0, 32]] }), 100)).toEqual([[0, 32, 320]]);
  });

  it("are all stored, the last one shortened, and left out where unused", () => {
    const kv = request({
      stored: [[0, 16]],
      fresh: [
        [16, 16],
        [32, 64],
        [96, 64],
      ],
    });
    expect(saved(kv, 90)).toEqual([
      [16, 16, 160],
      [32, 48, 480],
    ]);
    expect(saved(kv, 20)).toEqual([]);
  });
});
