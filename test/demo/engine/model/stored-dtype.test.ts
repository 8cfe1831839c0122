import { describe, expect, it } from "vitest";
import { STORED_DTYPES } from "../../../../demo/engine/model/stored-dtype.ts";
import type { DtypeName } from "../../../../demo/engine/model/stored-dtype.ts";

function round(name: DtypeName, values: readonly number[]): number[] {
  const into = new Float32Array(values.length);
  STORED_DTYPES[name].round(Float64Array.from(values), into, 0);
  return Array.from(into);
}

function bitsOf(name: "bf16" | "fp16", values: readonly number[]): number[] {
  const bytes = STORED_DTYPES[name].encode(Float32Array.from(round(name, values)));
  return Array.from(new Uint16Array(bytes.buffer));
}

describe("a stored dtype", () => {
  it("rounds to the nearest number, ties to even", () => {
    const step = 2 ** -7;
    expect(round("bf16", [1 + step / 2, 1 + 1.5 * step, 1 + 0.4 * step, -1 - 0.6 * step])).toEqual([
      1,
      1 + 2 * step,
      1,
      -1 - step,
    ]);
    const fine = 2 ** -10;
    expect(round("fp16", [1 + fine / 2, 1 + 1.5 * fine, 1 + 0.4 * fine, -1 - 0.6 * fine])).toEqual([
      1,
      1 + 2 * fine,
      1,
      -1 - fine,
    ]);
    expect(round("fp32", [0.1])).toEqual([Math.fround(0.1)]);
  });

  it("has the bits of the standard formats", () => {
    expect(bitsOf("bf16", [1, -2, 0.5, 0])).toEqual([0x3f80, 0xc000, 0x3f00, 0]);
    expect(bitsOf("fp16", [1, -2, 0.5, 0])).toEqual([0x3c00, 0xc000, 0x3800, 0]);
    expect(bitsOf("fp16", [65_504, 65_519, 65_520, -Infinity, NaN])).toEqual([
      0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7e00,
    ]);
    expect(bitsOf("fp16", [2 ** -24, 2 ** -25, 1.5 * 2 ** -25, 2 ** -14, -0])).toEqual([
      1, 0, 1, 0x400, 0x8000,
    ]);
  });

  it.each(["bf16", "fp16"] as const)("gives back every number of %s as it was", (name) => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
    const values = new Float32Array(halves.length);
    STORED_DTYPES[name].decode(new Uint8Array(halves.buffer), values);
    const back = new Uint16Array(STORED_DTYPES[name].encode(values).buffer);
    const rounded = Float32Array.from(round(name, Array.from(values)));
    const others = halves.filter(
      (bits) =>
        !Number.isNaN(values[bits]) && (back[bits] !== bits || rounded[bits] !== values[bits]),
    );
    expect(Array.from(others)).toEqual([]);
  });
});
