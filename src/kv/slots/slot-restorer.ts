/**
 * What is stored of a prompt, brought into a slot: found, checked and given a name by the snapshot desk, and restored by the server. What spares little is left where it is, and so is what
 * takes longer to restore than there is time, or than computing it takes.
 */
import type { Clock } from "../../clock.ts";
import type { FoundSnapshot, SnapshotDesk, UnstagedReason } from "../snapshots/snapshot-desk.ts";
import type { StagedName } from "../staging.ts";
import type { FreshReason } from "./seat.ts";
import type { SeatWish } from "./seat-wish.ts";
import type { RestoreOutcome, SlotObserver } from "./slot-observer.ts";
import { RefusedSnapshots } from "./refused-snapshots.ts";
import { RestorePace } from "./restore-pace.ts";
import { SlotFault, type SlotLook, type SlotServer } from "./slot-server.ts";
import { unlessOver } from "./unless-over.ts";

export interface RestorerOptions {
  readonly server: Pick<
    SlotServer,
    "restore" | "erase" | "geometry" | "location" | "contextTokens"
  >;
  readonly snapshots: Pick<SnapshotDesk, "find" | "stage" | "unstage">;
  /** A restore is not given up before: it would go on all the same, in a slot that others get meanwhile. */
  readonly over: AbortSignal;
  readonly clock: Clock;
  readonly observer: Pick<SlotObserver, "restored" | "failed">;
}

type RestoredSlot = Pick<SlotLook, "id" | "guesses">;

interface StagedSnapshot {
  readonly found: FoundSnapshot;
  readonly name: StagedName;
  /** When it was begun to be staged. */
  readonly fromMs: number;
}

export type Restored =
  | { readonly kind: "restored"; readonly tokens: number; readonly reusedTokens: number }
  /** The slot is as it was. */
  | { readonly kind: "left"; readonly why: FreshReason }
  /** The slot holds nothing that can be named. */
  | { readonly kind: "failed" }
  /** It may be under way still. */
  | { readonly kind: "lost" };

/** Fewer are computed sooner than a file is opened. */
export const LEAST_TOKENS = 32;

export class SlotRestorer {
  readonly #options: RestorerOptions;
  readonly #pace = new RestorePace();
  readonly #refused: RefusedSnapshots;

  constructor(options: RestorerOptions) {
    this.#options = options;
    this.#refused = new RefusedSnapshots(options.clock);
  }

  async find({ request, over }: SeatWish): Promise<FoundSnapshot | FreshReason> {
    const { snapshots, server, observer } = this.#options;
    const { session, prompt, untilMs, turnMs } = request;
    const { geometry, location } = server;
    const hold = { signal: over, untilMs, turnMs };
    try {
      return await snapshots.find({ session, prompt, geometry, location, hold });
    } catch (reason) {
      observer.failed("find", reason);
      return "catalog_failed";
    }
  }

  /** Into a slot that the caller holds, whoever was in it. */
  async restore(slot: RestoredSlot, found: FoundSnapshot, wish: SeatWish): Promise<Restored> {
    const why = this.#unworthy(found, wish);
    if (why !== undefined) return { kind: "left", why };
    const { snapshots, server } = this.#options;
    const fromMs = this.#options.clock.now();
    const name = await this.#stageInTime(found, wish);
    if (isReason(name)) return { kind: "left", why: name };
    const restored =
      (await this.#unerased(slot)) ?? (await this.#restoreStaged(slot, { found, name, fromMs }));
    await snapshots.unstage(server.location, name);
    return restored;
  }

  /** A server that guesses with KV of what was in the slot before ends each answer there, and all others, with an error: it has to be empty. Undefined: it is, or need not be. */
  async #unerased({ id, guesses }: RestoredSlot): Promise<Restored | undefined> {
    const { server, over, observer } = this.#options;
    const fault = guesses ? await server.erase(id, over) : undefined;
    if (fault === undefined) return undefined;
    observer.failed("erase", fault);
    return { kind: fault.code === "lost" ? "lost" : "failed" };
  }

  async #restoreStaged(
    { id }: RestoredSlot,
    { found, name, fromMs }: StagedSnapshot,
  ): Promise<Restored> {
    const { server, clock, over, observer } = this.#options;
    const file = await server.restore(id, name, over);
    const { tokenLength, bytes } = found.segment;
    const isWhole =
      !(file instanceof SlotFault) && file.tokens === tokenLength && file.bytes === bytes;
    const outcome = file instanceof SlotFault ? file.code : isWhole ? "restored" : "mismatch";
    const elapsedMs = clock.now() - fromMs;
    if (file instanceof SlotFault) observer.failed("restore", file);
    else this.#pace.took(bytes, elapsedMs);
    observer.restored({ outcome, elapsedMs, bytes });
    const restored = restoredAs(outcome, found);
    if (restored.kind === "failed") this.#refused.add(found.segment.id);
    return restored;
  }

  #unworthy({ segment, commonTokens }: FoundSnapshot, wish: SeatWish): FreshReason | undefined {
    const { contextTokens } = this.#options.server;
    if (this.#refused.has(segment.id)) return "restore_failed";
    if (commonTokens < LEAST_TOKENS || segment.tokenLength > contextTokens) return "not_worth";
    const ms = this.#pace.guess(segment.bytes);
    const { turnMs } = wish.request;
    const [coldMs, warmMs] = [turnMs(0), turnMs(commonTokens)];
    const isSlower = coldMs !== undefined && warmMs !== undefined && ms > coldMs - warmMs;
    const why = ms >= wish.leftMs ? "late" : isSlower ? "not_worth" : undefined;
    if (why !== undefined) this.#pace.passedOver();
    return why;
  }

  /** A location that hangs takes no slot along. What is read too late is read in vain, and tells how slow that is. */
  async #stageInTime(
    found: FoundSnapshot,
    wish: SeatWish,
  ): Promise<StagedName | UnstagedReason | "late"> {
    const { clock } = this.#options;
    const fromMs = clock.now();
    const staging = this.#stage(found);
    const name = await unlessOver(staging, wish.over);
    if (name !== undefined && !wish.isOver) return name;
    const { bytes } = found.segment;
    const elapsedMs = clock.now() - fromMs;
    if (elapsedMs > this.#pace.guess(bytes)) this.#pace.took(bytes, elapsedMs);
    void staging.then((late) => this.#unstage(late));
    return "late";
  }

  async #unstage(name: StagedName | UnstagedReason): Promise<void> {
    const { snapshots, server } = this.#options;
    if (!isReason(name)) await snapshots.unstage(server.location, name);
  }

  async #stage(found: FoundSnapshot): Promise<StagedName | UnstagedReason> {
    const { snapshots, server, observer } = this.#options;
    try {
      return await snapshots.stage(found, server.location);
    } catch (reason) {
      observer.failed("stage", reason);
      return "unreadable";
    }
  }
}

function restoredAs(outcome: RestoreOutcome, { segment, commonTokens }: FoundSnapshot): Restored {
  switch (outcome) {
    case "restored":
      return { kind: "restored", tokens: segment.tokenLength, reusedTokens: commonTokens };
    case "lost":
      return { kind: "lost" };
    case "mismatch":
    case "refused":
    case "unsound":
      return { kind: "failed" };
  }
}

function isReason(staged: StagedName | UnstagedReason | "late"): staged is UnstagedReason | "late" {
  return staged === "damaged" || staged === "unreadable" || staged === "late";
}
