/**
 * What is done with a slot before a turn, while nobody else gets it: whoever is resident there is saved, and what is stored of the turn's prompt is restored. Whatever fails, the turn is
 * the poorer for it and goes on; and nobody gets a slot where something is that is not for them to notice.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import type { FoundSnapshot } from "../snapshots/snapshot-desk.ts";
import { reuseOf } from "./reuse.ts";
import type { FreshReason, Seat } from "./seat.ts";
import type { SeatWish } from "./seat-wish.ts";
import type { SlotObserver } from "./slot-observer.ts";
import { LEAST_TOKENS, type SlotRestorer } from "./slot-restorer.ts";
import type { SlotLook } from "./slot-server.ts";
import type { SlotSettler } from "./slot-settler.ts";
import { isSameSession, scopeOf, type SlotTable } from "./slot-table.ts";
import type { SlotWatch } from "./slot-watch.ts";

export interface FillerOptions {
  readonly table: SlotTable;
  readonly watch: Pick<SlotWatch, "look">;
  readonly settler: Pick<SlotSettler, "see" | "save" | "erase">;
  readonly restorer: Pick<SlotRestorer, "restore">;
  readonly clock: Clock & Scheduler;
  readonly observer: Pick<SlotObserver, "displaced">;
}

export type Filled =
  | { readonly kind: "filled"; readonly as: Filling }
  /** Somebody runs there who was not given it. */
  | { readonly kind: "busy" }
  /** The server does not do what was asked of it, and may be doing it later. */
  | { readonly kind: "lost" }
  /** Nobody waits any more. */
  | { readonly kind: "over" };

export type Filling = Pick<Seat, "from" | "why" | "reusedTokens">;

/** What is stored of a prompt, looked up once and no sooner than it matters. */
export type Find = () => Promise<FoundSnapshot | FreshReason>;

/** A resident that has to go is saved if what its slot was saved for before is listed by then: a location that hangs may cost it its last turn, and others no more than this. */
const LISTING_PATIENCE_MS = 1_000;

export class SlotFiller {
  readonly #options: FillerOptions;

  constructor(options: FillerOptions) {
    this.#options = options;
  }

  /** A slot that the caller holds. Rejects for a bug only. */
  async fill(slot: number, wish: SeatWish, find: Find): Promise<Filled> {
    const { watch, settler } = this.#options;
    const look = await watch.look(slot);
    if (look === undefined) return { kind: "lost" };
    settler.see(slot, look);
    if (look.isBusy) return { kind: "busy" };
    if (wish.isOver) return { kind: "over" };
    const home = this.#homeFor(slot, wish);
    if (home?.isWhole === true) return resident(home.tokens);
    const found = await find();
    if (home !== undefined && (typeof found === "string" || !isMore(found, home))) {
      return resident(home.tokens);
    }
    if (home === undefined) await this.#save(slot, wish);
    if (wish.isOver) return { kind: "over" };
    const left = typeof found === "string" ? found : await this.#restore(look, found, wish);
    if (typeof left !== "string") return left;
    return home === undefined ? this.#fresh(slot, wish, left) : resident(home.tokens);
  }

  /** What the turn's session has there of its prompt, if it is resident there. */
  #homeFor(slot: number, { request }: SeatWish): ReturnType<typeof reuseOf> | undefined {
    const there = this.#options.table.resident(slot);
    if (there === undefined || !isSameSession(there.session, request.session)) return undefined;
    const isOpen = there.scope === scopeOf(request.session, request.prompt);
    return isOpen ? reuseOf(there, request) : undefined;
  }

  /** Of whoever is resident there and has to go. */
  async #save(slot: number, wish: SeatWish): Promise<void> {
    const { table, settler, clock, observer } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(LISTING_PATIENCE_MS, () => late.abort());
    await settler.save(slot, AbortSignal.any([wish.over, late.signal]));
    cancel();
    if (wish.isOver || table.resident(slot) === undefined) return;
    table.forget(slot);
    observer.displaced("other");
  }

  /** A reason: the slot is as it was. */
  async #restore(
    look: SlotLook,
    found: FoundSnapshot,
    wish: SeatWish,
  ): Promise<Filled | FreshReason> {
    const { table, restorer, clock } = this.#options;
    const { id: slot } = look;
    const restored = await restorer.restore(look, found, wish);
    switch (restored.kind) {
      case "left":
        return restored.why;
      case "lost":
        table.put(slot, { kind: "unknown" });
        return { kind: "lost" };
      case "failed":
        table.put(slot, { kind: "unknown" });
        return this.#fresh(slot, wish, "restore_failed");
      case "restored": {
        const { session, prompt, promptTokens } = wish.request;
        const scope = scopeOf(session, prompt);
        const { tokens } = restored;
        const state = { tokens, counts: undefined, saving: "none", usedAtMs: clock.now() } as const;
        const there = { session, scope, prompt, ...state };
        table.put(slot, { kind: "resident", resident: there });
        const reusedTokens = Math.min(restored.reusedTokens, promptTokens);
        return { kind: "filled", as: { from: "restored", why: undefined, reusedTokens } };
      }
    }
  }

  /** Nothing of it is anybody else's. */
  async #fresh(slot: number, { request }: SeatWish, why: FreshReason): Promise<Filled> {
    const { table, settler } = this.#options;
    const scope = scopeOf(request.session, request.prompt);
    const isOpen = table.isOpenTo(slot, scope) || (await settler.erase(slot));
    if (!isOpen) return { kind: "lost" };
    return { kind: "filled", as: { from: "fresh", why, reusedTokens: 0 } };
  }
}

function resident(reusedTokens: number): Filled {
  return { kind: "filled", as: { from: "resident", why: undefined, reusedTokens } };
}

function isMore(found: FoundSnapshot, home: { readonly tokens: number }): boolean {
  return found.commonTokens >= home.tokens + LEAST_TOKENS;
}
