/**
 * What callers of a KV service were told, and what they know by it: which tokens are in which segment, what must still be listed
 * after a crash, and which bytes of which file were handed out. Nothing here asks the service.
 */
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
  /** Token sequences to go on from: each is a prompt with its answer. */
  readonly histories: (readonly number[])[];
  /** Somebody has asked for its end, or it expires soon: it may be gone, and must be once that was answered. */
  fate: "lives" | "may_end" | "ended";
}

export interface KnownPrefix {
  readonly tenant: string;
  readonly name: string;
  /** That it was made with. */
  readonly segments: number;
  fate: KnownSession["fate"];
}

export class KvLedger {
  readonly sessions = new Map<string, KnownSession>();
  readonly prefixes = new Map<string, KnownPrefix>();
  /** By turn. */
  readonly turns = new Map<string, PlannedTurn>();
  readonly #ranges = new Map<string, { readonly from: number; readonly to: number }[]>();
  /** Said twice, or said wrongly: a test ends with none. */
  readonly problems: string[] = [];

  created(tenant: string, id: string, from?: KnownSession): KnownSession {
    const session: KnownSession = {
      tenant,
      id,
      listed: new Set(from?.listed),
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
