/**
 * A hash chain over the tokens (or the text) of a session: at every grid point, and at any end between two of them, a digest of
 * everything before it. Two prompts agree up to some position exactly when their digests there are equal, so an index by digest
 * answers which stored ends lie on a prompt without seeing a token of it. `chain-format.ts` says what is hashed.
 *
 * Grid digests are hashed once, on `append`; a leaf only when it is asked for. A chain that goes on from a stored grid point has
 * the same digests from there as one from the start.
 */
import { AppError } from "../../errors.ts";
import type { Digest, Digests } from "../digest.ts";
import { type ChainFormat, type GridPoint, LEAF_TAG } from "./chain-format.ts";

/** A position on the grid or off it, with the digest of everything before it. */
export interface ChainEnd {
  readonly at: number;
  readonly digest: Digest;
}

export interface ChainOrigin {
  readonly format: ChainFormat;
  /** `chainStart(...)`, or a stored grid point of the same namespace. */
  readonly from: GridPoint;
  readonly digests: Digests;
}

export class Chain {
  readonly #format: ChainFormat;
  readonly #digests: Digests;
  /** Consecutive, the first is where the chain goes on from; every whole step is hashed. */
  readonly #points: GridPoint[];
  /** Of the units after the first point: whole steps, in the caller's memory. */
  #known: Uint8Array = new Uint8Array(0);
  /** Of those that follow; bytes past `#end` are spare room. */
  #bytes = new Uint8Array(0);
  #end = 0;

  constructor({ format, from, digests }: ChainOrigin) {
    if (from.at % format.stepUnits !== 0) {
      const rule = `must be a multiple of ${format.stepUnits}`;
      throw new AppError("internal", `chain origin ${from.at} ${rule}`);
    }
    this.#format = format;
    this.#digests = digests;
    this.#points = [from];
  }

  /** Units from the start of the session. */
  get length(): number {
    return this.#first.at + (this.#known.length + this.#end) / this.#format.unitBytes;
  }

  /** In order, with the one that the chain goes on from. */
  get points(): readonly GridPoint[] {
    return this.#points;
  }

  /** Whole units: UTF-8, or `tokenBytes(...)`. They are copied. Returns the grid points that were passed. */
  append(units: Uint8Array): readonly GridPoint[] {
    if (units.length % this.#format.unitBytes !== 0) {
      const rule = `must be whole units of ${this.#format.unitBytes}`;
      throw new AppError("internal", `chain bytes ${units.length} ${rule}`);
    }
    this.#store(units);
    const known = this.#points.length;
    const stepBytes = this.#format.stepUnits * this.#format.unitBytes;
    const endBytes = this.#known.length + this.#end;
    for (let end = known * stepBytes; end <= endBytes; end += stepBytes) {
      this.#points.push(this.#nextPoint(this.#withinStep(end - stepBytes, end)));
    }
    return this.#points.slice(known);
  }

  /**
   * The same units where the points that they pass are known, from an equal chain: whole steps, before anything else. Hashes nothing, and
   * copies nothing: they must stay as they are.
   */
  appendKnown(units: Uint8Array, points: readonly GridPoint[]): void {
    const stepBytes = this.#format.stepUnits * this.#format.unitBytes;
    if (this.length > this.#first.at || units.length !== points.length * stepBytes) {
      throw new AppError("internal", `chain bytes ${units.length} are not ${points.length} steps`);
    }
    this.#known = units;
    for (const point of points) this.#points.push(point);
  }

  /** The digest of the first `at` units: of the grid point there, else of the leaf. */
  endAt(at: number): ChainEnd {
    const first = this.#first.at;
    if (!Number.isInteger(at) || at < first || at > this.length) {
      const limit = `an integer from ${first} to ${this.length}`;
      throw new AppError("internal", `chain position ${at} must be ${limit}`);
    }
    const before = this.#points[Math.floor((at - first) / this.#format.stepUnits)] as GridPoint;
    if (before.at === at) return before;
    const { unitBytes } = this.#format;
    const rest = this.#withinStep((before.at - first) * unitBytes, (at - first) * unitBytes);
    return { at, digest: this.#digests.sha256(LEAF_TAG, before.digest, rest) };
  }

  get #first(): GridPoint {
    return this.#points[0] as GridPoint;
  }

  /** Bytes after the first point, of one step: all of them are known, or none. */
  #withinStep(from: number, to: number): Uint8Array {
    const known = this.#known.length;
    if (from < known) return this.#known.subarray(from, to);
    return this.#bytes.subarray(from - known, to - known);
  }

  #nextPoint(step: Uint8Array): GridPoint {
    const { gridTag, stepUnits } = this.#format;
    const last = this.#points.at(-1) as GridPoint;
    const digest = isPlainStart(last)
      ? this.#digests.sha256(gridTag, step)
      : this.#digests.sha256(gridTag, last.digest, step);
    return { at: last.at + stepUnits, digest };
  }

  #store(units: Uint8Array): void {
    const end = this.#end + units.length;
    if (end > this.#bytes.length) {
      const roomier = new Uint8Array(this.#end === 0 ? end : 2 * end);
      roomier.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = roomier;
    }
    this.#bytes.set(units, this.#end);
    this.#end = end;
  }
}

/** By value, since a start may come back from a store. */
function isPlainStart({ digest }: GridPoint): boolean {
  return digest.every((byte) => byte === 0);
}
