/**
 * The score of a member for a slot, lowest first: -ln(u) / weight, where u is uniform in (0, 1] and depends on member id and slot
 * alone. That is the time of the first arrival of a Poisson process with rate `weight`, so a member wins a slot with
 * probability weight / total weight, whoever else is there.
 *
 * u comes from SplitMix64 seeded with the hash of the id: output s belongs to slot s. The 64-bit steps run on 32-bit halves.
 * V8 turns BigInt into machine words only where it inlines the whole chain, and elsewhere it allocates at each step, which makes a
 * score several times as dear depending on the caller.
 */
import type { Hash64, RingMember } from "./ring.ts";

/** SplitMix64's increment, 0x9E3779B97F4A7C15, and its two multipliers, as halves. */
const STEP_HIGH = 0x9e3779b9;
const STEP_LOW = 0x7f4a7c15;
const FIRST_HIGH = 0xbf58476d;
const FIRST_LOW = 0x1ce4e5b9;
const SECOND_HIGH = 0x94d049bb;
const SECOND_LOW = 0x133111eb;

const TWO_POW_21 = 0x20_0000;
const TWO_POW_32 = 0x1_0000_0000;
const TWO_POW_53 = 0x20_0000_0000_0000;

/** Scores the members of one pool, which it knows by position. */
export class Scorer {
  readonly #seedHigh: Int32Array;
  readonly #seedLow: Int32Array;
  readonly #weights: Float64Array;

  constructor(members: readonly RingMember[], hash: Hash64) {
    const seeds = members.map(({ id }) => hash(id));
    this.#seedHigh = Int32Array.from(seeds, (seed) => Number(BigInt.asIntN(32, seed >> 32n)));
    this.#seedLow = Int32Array.from(seeds, (seed) => Number(BigInt.asIntN(32, seed)));
    this.#weights = Float64Array.from(members, ({ weight }) => weight);
  }

  /** Sets `scores[i]` to the score of `members[i]`. In bulk, because a number returned from a call is boxed. */
  scoreInto(scores: Float64Array, slot: number, members: Uint16Array): void {
    const step = slot + 1;
    // Exact, since step <= 2^20; the part above 32 bits is the carry.
    const stepCarry = Math.floor((step * STEP_LOW) / TWO_POW_32);
    const stepLow = Math.imul(step, STEP_LOW);
    const stepHigh = Math.imul(step, STEP_HIGH) + stepCarry;
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as number;
      const low = ((this.#seedLow[member] as number) + stepLow) | 0;
      const carry = low >>> 0 < stepLow >>> 0 ? 1 : 0;
      const high = ((this.#seedHigh[member] as number) + stepHigh + carry) | 0;
      const u = (mixTop53(high, low) + 0.5) / TWO_POW_53;
      scores[i] = -Math.log(u) / (this.#weights[member] as number);
    }
  }
}

/** The top 53 bits of SplitMix64's finaliser: xor-shift 30, multiply, xor-shift 27, multiply, xor-shift 31. */
function mixTop53(high: number, low: number): number {
  low ^= (low >>> 30) | (high << 2);
  high ^= high >>> 30;
  high = (upperHalf(low, FIRST_LOW) + Math.imul(high, FIRST_LOW) + Math.imul(low, FIRST_HIGH)) | 0;
  low = Math.imul(low, FIRST_LOW);

  low ^= (low >>> 27) | (high << 5);
  high ^= high >>> 27;
  high =
    (upperHalf(low, SECOND_LOW) + Math.imul(high, SECOND_LOW) + Math.imul(low, SECOND_HIGH)) | 0;
  low = Math.imul(low, SECOND_LOW);

  low ^= (low >>> 31) | (high << 1);
  high ^= high >>> 31;
  return (high >>> 0) * TWO_POW_21 + (low >>> 11);
}

/** Bits 32 to 63 of the product of two unsigned 32-bit numbers, by 16-bit limbs. */
function upperHalf(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const crossA = Math.imul(aHigh, bLow);
  const crossB = Math.imul(aLow, bHigh);
  const middle = (Math.imul(aLow, bLow) >>> 16) + (crossA & 0xffff) + (crossB & 0xffff);
  return (Math.imul(aHigh, bHigh) + (crossA >>> 16) + (crossB >>> 16) + (middle >>> 16)) | 0;
}
