/**
 * What callers of a KV service were told, and what they know by it: which tokens are in which segment, what must still be listed
 * after a crash, and which bytes of which file were handed out. Nothing here asks the service.
 */
import { basename } from "node:path";

import { type Placed, type Plan, TOKEN_BYTES } from "./kv-service.ts";

/** One turn as it was planned, with the tokens that its engine stores. */
export interface PlannedTurn {
  readonly tenant: string;
  readonly session: string;
  readonly plan: Plan;
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

/** A session as its caller knows it. */
export interface KnownSession {
  readonly tenant: string;
  readonly id: string;
  /** Segments that a settled commit said are listed. */
  readonly listed: Set<string>;
  /** Those that it listed when it was pinned: they are there for as long as the session is. */
  readonly pinned: Set<string>;
  /** Token sequences to go on from: each is a prompt with its answer. */
  readonly histories: (readonly number[])[];
  /** Somebody has asked for its end, or it expires soon: it may be gone, and must be once that was answered. */
  fate: "lives" | "may_end" | "ended";
}

export type Listed = Pick<Placed, "token_start" | "token_length"> & { readonly segment: string };

export interface KnownPrefix {
  readonly tenant: string;
  readonly name: string;
  /** That it was made with. */
  readonly segments: number;
  fate: KnownSession["fate"];
}

/** Where a segment lies. */
export interface KnownPlace {
  readonly location: string;
  /** Name of its file. */
  readonly file: string;
  readonly tokenEnd: number;
}

export class KvLedger {
  readonly sessions = new Map<string, KnownSession>();
  readonly prefixes = new Map<string, KnownPrefix>();
  /** By turn. */
  readonly turns = new Map<string, PlannedTurn>();
  /** Segments that were listed and went with their file, for want of space. */
  readonly evicted = new Set<string>();
  /** Segments that were seen in another file than before. */
  readonly moved = new Set<string>();
  /** Those that were seen with a further copy. */
  readonly copied = new Set<string>();
  /** Copies that were under way when the service was killed. */
  copiesCutShort = 0;
  readonly #places = new Map<string, KnownPlace>();
  readonly #ranges = new Map<string, { readonly from: number; readonly to: number }[]>();
  /** Said twice, or said wrongly: a test ends with none. */
  readonly problems: string[] = [];

  created(tenant: string, id: string, from?: KnownSession): KnownSession {
    const session: KnownSession = {
      tenant,
      id,
      listed: new Set(from?.listed),
      pinned: new Set(),
      histories: [...(from?.histories ?? [])],
      fate: "lives",
    };
    this.sessions.set(id, session);
    return session;
  }

  planned(turn: PlannedTurn): void {
    const { plan } = turn;
    if (plan.turn === null) return;
    this.turns.set(plan.turn, turn);
    for (const part of plan.fresh_kv_cache) this.#handOut(part);
  }

  /** The tokens from 0 to the end of what the segment's turn could store; undefined if nobody ever heard of that turn. */
  turnOf(segment: string): PlannedTurn | undefined {
    return this.turns.get(segment.slice(0, segment.lastIndexOf(".")));
  }

  /** A settled commit of the session said so. */
  listed(session: string, { segment, token_start: start, token_length: length }: Listed): void {
    this.sessions.get(session)?.listed.add(segment);
    const planned = this.turnOf(segment)?.plan.fresh_kv_cache[0];
    if (planned === undefined || this.#places.has(segment)) return;
    const { kv_uri: uri } = planned;
    const [location = ""] = uri.slice("file:///".length).split("/");
    this.#places.set(segment, { location, file: basename(uri), tokenEnd: start + length });
  }

  seen(segment: string, place: KnownPlace): void {
    const before = this.#places.get(segment);
    if (before !== undefined && before.file !== place.file) this.moved.add(segment);
    this.#places.set(segment, place);
  }

  /** When it was last seen, or else stored. */
  placeOf(segment: string): KnownPlace | undefined {
    return this.#places.get(segment);
  }

  #handOut({ kv_uri: uri, kv_start: from, token_length: length }: Placed): void {
    const to = from + length * TOKEN_BYTES;
    const ranges = this.#ranges.get(uri) ?? [];
    const twice = ranges.find((range) => from < range.to && range.from < to);
    if (twice !== undefined) {
      this.problems.push(
        `${uri}: ${from}..${to} was handed out before in ${twice.from}..${twice.to}`,
      );
    }
    ranges.push({ from, to });
    this.#ranges.set(uri, ranges);
  }
}
