import fc from "fast-check";
import { expect, it } from "vitest";

import {
  decode,
  encode,
  list,
  oneOf,
  optional,
  text,
  uint,
} from "../../../src/kv/catalog/codec.ts";
import { segmentCodec } from "../../../src/kv/catalog/record-codecs.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { type Segment, segmentId, type TurnId } from "../../../src/kv/records.ts";
import { chainOf } from "../../support/kv-texts.ts";

const turn = "turn" as TurnId;
const segment: Segment = {
  id: segmentId(turn, 0),
  tenant: "t",
  turn,
  state: "durable",
  retentionClass: "standard",
  geometry: new Uint8Array(33).fill(3),
  file: { location: "disk", name: "name" as ObjectName },
  replicas: [{ location: "tmpfs", name: "other" as ObjectName, kvStart: 4_096 }],
  tokenStart: 113,
  tokenLength: 100,
  kvStart: 16_662_528,
  bytes: 14_745_600,
  chain: chainOf("abcde", 4),
  place: undefined,
  crc: 0xffff_ffff,
  refs: 1,
  lastReadAtMs: 0,
  timesRead: 0,
  snapshot: undefined,
};

it.each([
  [0, [0]],
  [127, [127]],
  [128, [128, 1]],
  [300, [172, 2]],
  [Number.MAX_SAFE_INTEGER, [255, 255, 255, 255, 255, 255, 255, 15]],
])("writes %i as 7 bits a byte, low ones first", (value, expected) => {
  expect([...encode(uint, value)]).toEqual(expected);
  expect(decode(uint, encode(uint, value))).toBe(value);
});

it.each([-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1])("refuses %d as a number", (value) => {
  expect(() => encode(uint, value)).toThrow(`catalog number ${value} must be an integer`);
});

it("reads back what it wrote", () => {
  const again = encode(segmentCodec, decode(segmentCodec, encode(segmentCodec, segment)));
  expect(Buffer.compare(again, encode(segmentCodec, segment))).toBe(0);
  expect(decode(segmentCodec, again)).toMatchObject({ kvStart: 16_662_528, crc: 0xffff_ffff });
  const lists = list(optional(text));
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.string({ unit: "grapheme" }), { nil: undefined })),
      (value) => {
        expect(decode(lists, encode(lists, value))).toEqual(value);
      },
    ),
  );
});

it("takes less than 350 bytes for a segment", () => {
  expect(encode(segmentCodec, segment).length).toBeLessThan(350);
});

it("refuses a record that is cut anywhere, or too long", () => {
  const whole = encode(segmentCodec, segment);
  for (let end = 0; end < whole.length; end++) {
    expect(() => decode(segmentCodec, whole.subarray(0, end))).toThrow("cut short");
  }
  expect(() => decode(segmentCodec, Buffer.concat([whole, Uint8Array.of(0)]))).toThrow("longer");
});

it("refuses a name that it does not know, either way", () => {
  const color = oneOf<"red" | "blue">("red");
  expect(() => decode(color, Uint8Array.of(1))).toThrow("unknown name");
  expect(() => encode(color, "blue")).toThrow("unknown name blue");
});

it("refuses numbers that it would not have written, and lists of more than is there", () => {
  const most = encode(uint, Number.MAX_SAFE_INTEGER);
  const more = most.with(-1, 0x10);
  expect(decode(uint, most)).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => decode(uint, more)).toThrow("catalog record has a number over 2^53 - 1");
  expect(() => decode(list(uint), most)).toThrow("catalog record is cut short");
});
