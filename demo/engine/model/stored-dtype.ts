/**
 * The dtypes that keys and values are stored in. A value is rounded once, to nearest with ties to even, before anything reads it; so
 * what comes back from stored bytes is the very value that was computed with, and answers are the same bit for bit.
 */

export type DtypeName = "bf16" | "fp16" | "fp32";

export interface StoredDtype {
  readonly bytes: 2 | 4;
  /** `values` hold what the dtype can hold already. */
  encode(values: Float32Array): Uint8Array;
  /** Any bytes are values: also infinities, and numbers that are none. */
  decode(bytes: Uint8Array, into: Float32Array): void;
  /** `from` to `into` at `at`, rounded. */
  round(from: Float64Array, into: Float32Array, at: number): void;
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

const bf16: StoredDtype = {
  bytes: 2,
  encode(values) {
    const bits = bitsOf(values);
    const halves = new Uint16Array(bits.length);
    for (let at = 0; at < bits.length; at++) halves[at] = (bits[at] as number) >>> 16;
    return bytesOf(halves);
  },
  decode(bytes, into) {
    const halves = new Uint16Array(aligned(bytes));
    const bits = bitsOf(into);
    for (let at = 0; at < bits.length; at++) bits[at] = (halves[at] as number) << 16;
  },
  round(from, into, at) {
    for (let index = 0; index < from.length; index++) {
      float[0] = from[index] as number;
      const bits = floatBits[0] as number;
      floatBits[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff_0000;
      into[at + index] = float[0];
    }
  },
};

const fp16: StoredDtype = {
  bytes: 2,
  encode(values) {
    const halves = new Uint16Array(values.length);
    for (let at = 0; at < values.length; at++) halves[at] = halfBits(values[at] as number);
    return bytesOf(halves);
  },
  decode(bytes, into) {
    const halves = new Uint16Array(aligned(bytes));
    for (let at = 0; at < into.length; at++) into[at] = halfValue(halves[at] as number);
  },
  round(from, into, at) {
    for (let index = 0; index < from.length; index++) {
      into[at + index] = halfValue(halfBits(from[index] as number));
    }
  },
};

const fp32: StoredDtype = {
  bytes: 4,
  encode: (values) => bytesOf(values.slice()),
  decode: (bytes, into) => into.set(new Float32Array(aligned(bytes))),
  round: (from, into, at) => into.set(from, at),
};

export const STORED_DTYPES: Readonly<Record<DtypeName, StoredDtype>> = { bf16, fp16, fp32 };

/** Of the smallest normal half, and of the step between the numbers below it. */
const HALF_NORMAL = 2 ** -14;
const HALF_STEP = 2 ** -24;
/** From here on the nearest half is infinite. */
const HALF_OVERFLOW = 65_520;

function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  if (size >= HALF_OVERFLOW) return sign | 0x7c00;
  if (size < HALF_NORMAL) return sign | roundHalfEven(size / HALF_STEP);
  float[0] = size;
  const exponent = ((floatBits[0] as number) >>> 23) - 127;
  // The fraction may round up to a power of two; the sum then carries into the exponent, as it should.
  return sign | (((exponent + 14) << 10) + roundHalfEven((size / 2 ** exponent) * 1024));
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * HALF_STEP;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}

/** Of a number that is not negative. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function bytesOf(values: Uint16Array | Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A typed array of words cannot begin just anywhere in a buffer. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}
