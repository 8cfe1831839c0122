/** What is done with a slot behind a turn, while nobody else gets it: its state is noted, saved, or erased. Every slot that is named here is held by the caller. */
import type { Clock } from "../../clock.ts";
import type { SnapshotDesk } from "../snapshots/snapshot-desk.ts";
import type { SeatEnd, SeatRequest } from "./seat.ts";
import type { SlotObserver } from "./slot-observer.ts";
import { isWithin, type SlotSaver } from "./slot-saver.ts";
import type { SlotLook, SlotServer } from "./slot-server.ts";
import { isToSave, type Resident, scopeOf, type SlotTable } from "./slot-table.ts";
import type { IdleSlot, SlotWatch } from "./slot-watch.ts";

export interface SettlerOptions {
  readonly table: SlotTable;
  readonly server: Pick<SlotServer, "erase" | "contextTokens" | "geometry">;
  readonly snapshots: Pick<SnapshotDesk, "admits">;
  readonly watch: SlotWatch;
  readonly saver: Pick<SlotSaver, "save">;
  /** An erasing is not given up before: it would go on all the same, in a slot that others get meanwhile. */
  readonly over: AbortSignal;
  readonly clock: Clock;
  readonly observer: Pick<SlotObserver, "displaced" | "failed">;
  /** Answers with fewer prompt tokens are not worth a file. */
  readonly minTokens: number;
}

export class SlotSettler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** A turn that sat there is over, and has reached the server, as far as is known. Once it runs no more, its session is resident where it still is. */
  async settle(slot: number, request: SeatRequest, end: SettledEnd): Promise<void> {
    const { table, watch, server, observer } = this.#options;
    const idle = await watch.whenIdle(slot);
    if (idle === undefined) return;
    const { now: look } = idle;
    // It ran nowhere, or in another slot: what was there is there.
    if (look.task === table.taskOf(slot)) return this.see(slot, look);
    const isSpoilt = end.kind === "failed" || isShifted(end, server);
    if (!isSpoilt && isOwn(idle, end) && isIn(look, end)) {
      const isWorthy = await this.#isWorthy(request, end);
      const resident = this.#residentOf(request, look, { end, isWorthy });
      return table.ran(slot, look.task, { kind: "resident", resident });
    }
    table.ran(slot, look.task, { kind: "unknown" });
    observer.displaced(isSpoilt || look.tokens === 0 ? "cleared" : "stranger");
  }

  /** What is not there any more is forgotten. */
  see(slot: number, look: SlotLook): void {
    const { table, observer } = this.#options;
    const by = table.see(slot, look);
    if (by !== undefined) observer.displaced(by);
  }

  /** What was just seen there, where it is to be saved. `patience`: as of a `SaveRequest`. Whatever comes of it, nothing of that server runs in the slot afterwards. */
  async save(slot: number, patience: AbortSignal): Promise<void> {
    const { table, saver, observer } = this.#options;
    const resident = table.resident(slot);
    if (resident?.counts === undefined || !isToSave(resident.saving)) return;
    const { session, prompt, counts } = resident;
    const saved = await saver.save({
      slot,
      session,
      prompt,
      counts,
      task: table.taskOf(slot),
      patience,
    });
    switch (saved.kind) {
      case "saved": {
        const listing = table.amend(slot, resident, "listing");
        void saved.listed.then((isListed) =>
          table.amend(slot, listing, isListed ? "none" : "tried"),
        );
        return;
      }
      case "behind":
        return;
      case "refused":
        table.amend(slot, resident, "tried");
        return;
      case "lost":
        table.amend(slot, resident, "tried");
        return this.rest(slot);
      case "not_there":
        table.put(slot, { kind: "unknown" });
        observer.displaced("stranger");
    }
  }

  /** False: it may hold what it held, and may be erased yet; looks, with which everything else begins, are answered after that. */
  async erase(slot: number): Promise<boolean> {
    const { table, server, over, observer } = this.#options;
    table.forget(slot);
    const fault = await server.erase(slot, over);
    if (fault === undefined) {
      table.put(slot, { kind: "nothing" });
      return true;
    }
    observer.failed("erase", fault);
    return false;
  }

  /** Until the server says that nothing runs there, or nobody waits any more. */
  async rest(slot: number): Promise<void> {
    const idle = await this.#options.watch.whenIdle(slot);
    if (idle !== undefined) this.see(slot, idle.now);
  }

  async #isWorthy({ session, prompt }: SeatRequest, end: RunEnd): Promise<boolean> {
    const { snapshots, server, minTokens } = this.#options;
    if (end.kind !== "answered" || end.promptTokens < minTokens) return false;
    const { promptTokens } = end;
    return snapshots.admits({ session, prompt, geometry: server.geometry, promptTokens });
  }

  #residentOf(
    request: SeatRequest,
    { tokens }: SlotLook,
    { end, isWorthy }: { readonly end: RunEnd; readonly isWorthy: boolean },
  ): Resident {
    const { clock } = this.#options;
    const { session, prompt } = request;
    const counts = end.kind === "answered" ? end : undefined;
    return {
      session,
      scope: scopeOf(session, prompt),
      prompt,
      tokens,
      counts,
      saving: isWorthy ? "due" : "none",
      usedAtMs: clock.now(),
    };
  }
}

export type SettledEnd = Exclude<SeatEnd, { readonly kind: "unsent" }>;

type RunEnd = Exclude<SettledEnd, { readonly kind: "failed" }>;

/** It had more tokens than its slot takes: with `--context-shift` the server gave up some in their midst, and what is there is no prompt's. */
function isShifted(end: SettledEnd, { contextTokens }: Pick<SlotServer, "contextTokens">): boolean {
  return end.kind === "answered" && end.promptTokens + end.outputTokens > contextTokens;
}

/**
 * What ran there last is the turn's, as far as looks tell. A slot is free as soon as its answer is whole, and whoever waits in the server's own queue has it at once: who is seen there then
 * is a stranger. So is who came after the one that was seen there first. Where nobody saw the turn end, that one is taken for the turn's.
 */
function isOwn({ first, now }: IdleSlot, { kind }: SettledEnd): boolean {
  return first.task === now.task && !(first.isBusy && kind === "answered");
}

/** How much of an answer that nobody saw the end of is there, nobody knows. */
function isIn({ tokens }: SlotLook, end: RunEnd): boolean {
  return tokens > 0 && (end.kind === "unknown" || isWithin(tokens, end));
}
