/**
 * Makes rings, at once or in steps, from nothing or from the ring before. There is one algorithm: a slot whose stored members are
 * all still there keeps their order, and the members that are new are ranked in among them; any other slot is ranked afresh, and
 * without a previous ring that is every slot. So the result depends on the members alone, never on the way to it.
 *
 * Cost in scores: a first build takes slots x members; an added member 9 x slots and a removed one 16 x slots, or less.
 */
import { AppError } from "../errors.ts";
import { MAX_MEMBERS, MAX_SLOTS, STORED_RANKS } from "./ring.ts";
import type { Hash64, Ring, RingMember } from "./ring.ts";
import { Scorer } from "./ring-score.ts";

export interface RingOptions {
  /** A power of two, at most MAX_SLOTS. */
  readonly slots: number;
  /** The same function for every ring of a process: `previous` is reused on that promise. */
  readonly hash: Hash64;
}

/** Work between two yields: a few milliseconds. A step overshoots it by one slot at most, which is `members` + 1. */
export const WORK_PER_STEP = 65_536;

/** Builds in one go. Blocks for slots x members scores: for tests and for small pools. */
export function buildRing(members: Iterable<RingMember>, options: RingOptions): Ring {
  const steps = rebuildRing(undefined, members, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Builds in steps, so that the caller can give the event loop back at each yield; abandoning the generator costs nothing.
 * `previous` stays valid and in use meanwhile; it saves work if it has the same number of slots, and is itself the result
 * if its members are the same. Members in any order; those with weight <= 0 are left out.
 *
 * Yields the work that the step did: scores computed and slots visited, together.
 * Throws before the first yield if an id is there twice, a weight is not finite, or there are more than MAX_MEMBERS members.
 */
export function* rebuildRing(
  previous: Ring | undefined,
  members: Iterable<RingMember>,
  options: RingOptions,
): Generator<number, Ring> {
  const { slots, hash } = options;
  assertSlots(slots);
  const sorted = sortMembers(members);
  const base = previous?.slots === slots ? previous : undefined;
  if (base !== undefined && areSame(base.members, sorted)) return base;

  const scorer = new Scorer(sorted, hash);
  const ranker = new SlotRanker(slots, scorer, changeBetween(base, sorted));
  let work = 0;
  for (let slot = 0; slot < slots; slot++) {
    work += 1 + ranker.rank(slot);
    if (work >= WORK_PER_STEP) {
      yield work;
      work = 0;
    }
  }
  return new RankTable({ slots, members: sorted, ranks: ranker.ranks, hash, scorer });
}

interface RankTableParts {
  readonly slots: number;
  readonly members: readonly RingMember[];
  /** STORED_RANKS entries for each slot, best first; those from `members.length` on mean nothing. */
  readonly ranks: Uint16Array;
  readonly hash: Hash64;
  readonly scorer: Scorer;
}

class RankTable implements Ring {
  readonly slots: number;
  readonly members: readonly RingMember[];
  readonly #ranks: Uint16Array;
  readonly #hash: Hash64;
  readonly #scorer: Scorer;
  /** The slot that `#deepOrder` is the full order of; -1 before the first. */
  #deepSlot = -1;
  #deepOrder = new Uint16Array(0);

  constructor({ slots, members, ranks, hash, scorer }: RankTableParts) {
    this.slots = slots;
    this.members = members;
    this.#ranks = ranks;
    this.#hash = hash;
    this.#scorer = scorer;
  }

  slotOf(key: string): number {
    return Number(BigInt.asUintN(32, this.#hash(key))) & (this.slots - 1);
  }

  memberAt(slot: number, rank: number): number {
    if (rank >= this.members.length) return -1;
    if (rank < STORED_RANKS) return this.#ranks[slot * STORED_RANKS + rank] ?? -1;
    if (slot !== this.#deepSlot) {
      this.#deepOrder = this.#fullOrder(slot);
      this.#deepSlot = slot;
    }
    return this.#deepOrder[rank] ?? -1;
  }

  #fullOrder(slot: number): Uint16Array<ArrayBuffer> {
    const order = Uint16Array.from(this.members.keys());
    const scores = new Float64Array(order.length);
    this.#scorer.scoreInto(scores, slot, order);
    return order.sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
  }
}

/** What a build knows of the ring before. Members are positions in the new ring. */
interface Change {
  readonly previous: Ring | undefined;
  /** By position in the previous ring: the position now, or -1 if the member is gone or has another weight. */
  readonly positions: Int32Array;
  /** Members that `positions` does not lead to. */
  readonly fresh: Uint16Array;
  /** Every member. */
  readonly all: Uint16Array;
}

function changeBetween(previous: Ring | undefined, members: readonly RingMember[]): Change {
  const byId = new Map(members.map((member, position) => [member.id, position]));
  const positions = Int32Array.from(previous?.members ?? [], ({ id, weight }) => {
    const position = byId.get(id) ?? -1;
    return members[position]?.weight === weight ? position : -1;
  });
  const kept = new Set(positions);
  const all = Uint16Array.from(members.keys());
  return { previous, positions, fresh: all.filter((member) => !kept.has(member)), all };
}

/** Fills the table of stored ranks, one slot at a time. */
class SlotRanker {
  /** STORED_RANKS entries for each slot, best first; those from the number of members on mean nothing. */
  readonly ranks: Uint16Array;
  readonly #scorer: Scorer;
  readonly #change: Change;
  /** How many ranks the previous ring has stored for each slot. */
  readonly #storedBefore: number;
  /** Those ranks, as they were read for the slot at hand, and behind them the fresh members. */
  readonly #updated: Uint16Array;
  /** Of the candidates of the slot at hand, by their position among them. */
  readonly #scores: Float64Array;
  /** Positions of the best candidates so far. One longer than what is stored: the last entry takes what is pushed out. */
  readonly #best = new Uint16Array(STORED_RANKS + 1);

  constructor(slots: number, scorer: Scorer, change: Change) {
    this.ranks = new Uint16Array(slots * STORED_RANKS);
    this.#scorer = scorer;
    this.#change = change;
    this.#storedBefore = Math.min(change.positions.length, STORED_RANKS);
    this.#updated = new Uint16Array(this.#storedBefore + change.fresh.length);
    this.#updated.set(change.fresh, this.#storedBefore);
    this.#scores = new Float64Array(Math.max(change.all.length, this.#updated.length));
  }

  /** Returns how many scores it took. */
  rank(slot: number): number {
    const candidates = this.#readPrevious(slot) ? this.#updated : this.#change.all;
    this.#scorer.scoreInto(this.#scores, slot, candidates);
    this.#store(slot, candidates);
    return candidates.length;
  }

  /** Reads what the previous ring has stored for the slot. False if a member of it was lost: then any other may follow. */
  #readPrevious(slot: number): boolean {
    const { previous, positions } = this.#change;
    for (let rank = 0; rank < this.#storedBefore; rank++) {
      const member = positions[previous?.memberAt(slot, rank) ?? -1] ?? -1;
      if (member < 0) return false;
      this.#updated[rank] = member;
    }
    return true;
  }

  /** Insertion sort into the few best: nearly every candidate is worse than all of them, which is one comparison. */
  #store(slot: number, candidates: Uint16Array): void {
    const best = this.#best;
    let size = 0;
    for (let position = 0; position < candidates.length; position++) {
      let rank = size;
      while (rank > 0 && this.#isBefore(candidates, position, best[rank - 1] as number)) {
        best[rank] = best[rank - 1] as number;
        rank -= 1;
      }
      best[rank] = position;
      if (size < STORED_RANKS) size += 1;
    }
    for (let rank = 0; rank < size; rank++) {
      this.ranks[slot * STORED_RANKS + rank] = candidates[best[rank] as number] as number;
    }
  }

  /** Equal scores go by id, which is the order of the members. */
  #isBefore(candidates: Uint16Array, a: number, b: number): boolean {
    const scoreA = this.#scores[a] as number;
    const scoreB = this.#scores[b] as number;
    return (
      scoreA < scoreB ||
      (scoreA === scoreB && (candidates[a] as number) < (candidates[b] as number))
    );
  }
}

/** Copies what the ring keeps of its members, so that a ring holds on to nothing else. */
function sortMembers(members: Iterable<RingMember>): readonly RingMember[] {
  const sorted: RingMember[] = [];
  for (const { id, weight } of members) {
    if (!Number.isFinite(weight)) {
      throw new AppError("internal", `ring member ${id}: weight ${weight} must be finite`);
    }
    if (weight > 0) sorted.push({ id, weight });
  }
  if (sorted.length > MAX_MEMBERS) {
    throw new AppError("internal", `ring members ${sorted.length} must be <= ${MAX_MEMBERS}`);
  }
  sorted.sort((a, b) => (a.id < b.id ? -1 : 1));
  const twice = sorted.find(({ id }, position) => id === sorted[position - 1]?.id);
  if (twice !== undefined) {
    throw new AppError("internal", `ring member ${twice.id} is there more than once`);
  }
  return sorted;
}

function areSame(before: readonly RingMember[], after: readonly RingMember[]): boolean {
  return (
    before.length === after.length &&
    before.every(
      ({ id, weight }, position) =>
        id === after[position]?.id && weight === after[position]?.weight,
    )
  );
}

function assertSlots(slots: number): void {
  const isPowerOfTwo = Number.isInteger(slots) && slots > 0 && (slots & (slots - 1)) === 0;
  if (!isPowerOfTwo || slots > MAX_SLOTS) {
    throw new AppError("internal", `ring slots ${slots} must be a power of two <= ${MAX_SLOTS}`);
  }
}
