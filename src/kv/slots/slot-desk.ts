/**
 * Who sits in which slot of one server. A session that is resident keeps its slot as long as it can; one that is not gets a free slot, or that of the resident whose loss costs least, saved
 * first where its state is newer than its file; what is stored of it is restored there before its turn goes on.
 *
 * Turns wait in one line: a freed slot goes to the one that has waited for longest and can use it. The line and each wait are bounded, and whoever gets no slot goes on without. The line
 * gives out two things, one after the other: the session, which has one turn at a time, and a slot. Nobody waits in it with a slot in hand.
 *
 * Nothing here is believed longer than it can be checked: before a turn is told that its session is resident, the server is asked whether somebody else was in the slot. One desk is for
 * one process of a server; another process has another.
 */
import type { Cancel, Clock, Scheduler } from "../../clock.ts";
import type { SessionKey } from "../records.ts";
import type { FoundSnapshot, SnapshotDesk } from "../snapshots/snapshot-desk.ts";
import { pause } from "../verify/pause.ts";
import { OpenTurns } from "./open-turns.ts";
import { type LinePlace, SeatLine } from "./seat-line.ts";
import type { FreshReason, NoSeatReason, SavePolicy, Seat, SeatEnd, SeatRequest } from "./seat.ts";
import { SeatWish } from "./seat-wish.ts";
import { type Filled, type Filling, type Find, SlotFiller } from "./slot-filler.ts";
import type { SlotObserver } from "./slot-observer.ts";
import { SlotRestorer } from "./slot-restorer.ts";
import { SlotSaver } from "./slot-saver.ts";
import type { SlotServer } from "./slot-server.ts";
import { type SettledEnd, SlotSettler } from "./slot-settler.ts";
import { type SlotHome, SlotTable } from "./slot-table.ts";
import { SlotWatch } from "./slot-watch.ts";

export interface SlotDeskOptions {
  readonly server: SlotServer;
  readonly snapshots: SnapshotDesk;
  readonly policy: SavePolicy;
  readonly clock: Clock & Scheduler;
  readonly observer: SlotObserver;
}

/** Nobody waits. */
const NOW = AbortSignal.abort();

export class SlotDesk {
  readonly #options: SlotDeskOptions;
  readonly #table: SlotTable;
  readonly #line: SeatLine;
  readonly #watch: SlotWatch;
  readonly #saver: SlotSaver;
  readonly #restorer: SlotRestorer;
  readonly #settler: SlotSettler;
  readonly #filler: SlotFiller;
  /** Not answered yet. */
  readonly #wishes = new Set<SeatWish>();
  readonly #turns = new OpenTurns();
  /** Held slots that are to be erased before they are free. */
  readonly #ended = new Set<number>();
  /** Of residents that are saved when they are not used for a while. */
  readonly #timers = new Map<number, Cancel>();
  readonly #running = new Set<Promise<void>>();
  readonly #closed = new AbortController();
  /** Later than that: no answer of the server is waited for any more. */
  readonly #over = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(options: SlotDeskOptions) {
    const { server, policy } = options;
    const table = new SlotTable(server.slots);
    const over = this.#over.signal;
    const watch = new SlotWatch({ ...options, closed: this.#closed.signal });
    const saver = new SlotSaver({ ...options, watch, over });
    const restorer = new SlotRestorer({ ...options, over });
    const settler = new SlotSettler({ ...options, ...policy, table, watch, saver, over });
    this.#options = options;
    this.#table = table;
    this.#line = new SeatLine(policy.waitingLimit);
    this.#watch = watch;
    this.#saver = saver;
    this.#restorer = restorer;
    this.#settler = settler;
    this.#filler = new SlotFiller({ ...options, table, watch, settler, restorer });
  }

  /** As they are now. */
  get load(): { readonly residents: number; readonly waiting: number } {
    return { residents: this.#table.residents, waiting: this.#line.standing };
  }

  /** Where the session's turn sits, or the session since its last one; as far as is known without asking the server. */
  homeOf(session: SessionKey): SlotHome | undefined {
    return this.#table.home(session, this.#turns.slotOf(session));
  }

  /** Answers by the request's deadline. Whoever is given a seat has to leave it. */
  async seat(request: SeatRequest): Promise<Seat | NoSeatReason> {
    const { server, policy, clock, observer } = this.#options;
    const fromMs = clock.now();
    const wish = new SeatWish(request, clock);
    this.#wishes.add(wish);
    if (this.#closing !== undefined) wish.refuse("engine_unknown");
    // Besides those in line: one for each slot that is being filled. More are looking for what is stored of them, and would wait after that.
    if (this.#wishes.size > policy.waitingLimit + server.slots) wish.refuse("queue_full");
    this.#run(this.#serve(wish));
    const answer = await wish.answered;
    this.#wishes.delete(wish);
    const waitedMs = clock.now() - fromMs;
    if (typeof answer === "string") observer.refused(answer, waitedMs);
    else observer.seated({ from: answer.from, why: answer.why, waitedMs });
    return answer;
  }

  /** The session has a newer state elsewhere, or is about to. */
  outdate(session: SessionKey): void {
    this.#table.outdate(session);
  }

  /** The session is over: its slot is erased once it is free. */
  end(session: SessionKey): void {
    const home = this.#table.homeOf(session);
    const sitting = this.#turns.slotOf(session);
    if (sitting !== undefined) this.#ended.add(sitting);
    if (home === undefined || home === sitting) return;
    this.#table.forget(home);
    if (!this.#table.isFree(home)) return;
    this.#hold(home);
    this.#ended.add(home);
    this.#release(home);
  }

  /**
   * Idempotent. Seats nobody any more, saves what is newer than its file, what was used last first, as long as there is time, and waits for what is under way, of its server for as long again.
   * Who still sits somewhere may leave, and nothing comes of it.
   */
  close(withinMs: number): Promise<void> {
    this.#closing ??= this.#close(withinMs);
    return this.#closing;
  }

  /** Until the wish is answered, and everything that was taken for it is a seat, or given back. */
  async #serve(wish: SeatWish): Promise<void> {
    const place = this.#line.enter();
    const { session } = wish.request;
    const turn = await this.#wait(wish, place, () => this.#beginTurn(session));
    let isSeated = false;
    try {
      isSeated = turn !== undefined && (await this.#seatIn(turn.slot, wish, place));
    } finally {
      place.leave();
      if (turn !== undefined && !isSeated) this.#turns.end(session);
      this.#line.offer(); // also to whom it displaced: another slot may have been free for long
    }
  }

  /** False: it has no seat, and holds no slot. */
  async #seatIn(home: number | undefined, wish: SeatWish, place: LinePlace): Promise<boolean> {
    const { session } = wish.request;
    let found: FoundSnapshot | FreshReason | undefined;
    const find = async () => (found ??= await this.#find(wish));
    // What can be awaited without a slot is awaited without one.
    if (this.#table.homeOf(session) === undefined) await find();
    let slot = home;
    for (;;) {
      slot ??= await this.#wait(wish, place, () => this.#takeFor(session));
      if (slot === undefined) return false;
      place.leave();
      const filled = await this.#fill(slot, wish, find);
      if (filled.kind === "filled" && this.#give(wish, slot, filled.as)) return true;
      if (filled.kind === "lost") wish.refuse("engine_unknown");
      if (filled.kind === "lost" || filled.kind === "busy") this.#run(this.#releaseRested(slot));
      else this.#release(slot);
      slot = undefined;
    }
  }

  async #fill(slot: number, wish: SeatWish, find: Find): Promise<Filled> {
    try {
      return await this.#filler.fill(slot, wish, find);
    } catch (reason) {
      this.#options.observer.failed("seat", reason);
      this.#table.put(slot, { kind: "unknown" });
      return { kind: "lost" };
    }
  }

  async #find(wish: SeatWish): Promise<FoundSnapshot | FreshReason> {
    await this.#saver.listed(wish.request.session);
    return wish.isOver ? "client_gone" : this.#restorer.find(wish);
  }

  /** Undefined: the wish is over, and nothing was taken. */
  async #wait<T extends object | number>(
    wish: SeatWish,
    place: LinePlace,
    take: () => T | undefined,
  ): Promise<T | undefined> {
    const taken = await place.wait(take, wish.over);
    if (taken === "full") wish.refuse("queue_full");
    return taken === "full" || taken === "over" ? undefined : taken;
  }

  /** With the slot where it is resident, if that is free: so nobody who came later gets it in between. */
  #beginTurn(session: SessionKey): { readonly slot: number | undefined } | undefined {
    if (!this.#turns.begin(session)) return undefined;
    const home = this.#table.homeOf(session);
    return { slot: home === undefined ? undefined : this.#takeFor(session) };
  }

  #takeFor(session: SessionKey): number | undefined {
    const home = this.#table.homeOf(session);
    const slot = home ?? this.#table.cheapest(this.#options.clock.now());
    if (slot === undefined || !this.#table.isFree(slot)) return undefined;
    this.#hold(slot);
    return slot;
  }

  #hold(slot: number): void {
    this.#table.hold(slot);
    this.#timers.get(slot)?.();
    this.#timers.delete(slot);
  }

  /** False: nobody waits for it any more. */
  #give(wish: SeatWish, slot: number, as: Filling): boolean {
    const { request } = wish;
    let isLeft = false;
    const leave = (end: SeatEnd): void => {
      if (!isLeft) this.#leave(slot, request, end);
      isLeft = true;
    };
    const isGiven = wish.give({ slot, ...as, leave });
    if (isGiven) this.#turns.sits(request.session, slot);
    return isGiven;
  }

  #leave(slot: number, request: SeatRequest, end: SeatEnd): void {
    if (end.kind !== "unsent") return this.#run(this.#settle(slot, request, end));
    this.#turns.end(request.session);
    this.#release(slot);
  }

  async #settle(slot: number, request: SeatRequest, end: SettledEnd): Promise<void> {
    try {
      await this.#settler.settle(slot, request, end);
      if (this.#options.policy.save === "every_turn" && !this.#ended.has(slot)) {
        await this.#settler.save(slot, NOW);
      }
    } catch (reason) {
      this.#table.put(slot, { kind: "unknown" });
      throw reason;
    } finally {
      this.#turns.end(request.session);
      this.#release(slot);
    }
  }

  /** It is held, and free now for whoever waits for it. */
  #release(slot: number): void {
    if (this.#ended.delete(slot)) return this.#run(this.#releaseErased(slot));
    this.#table.free(slot);
    this.#saveWhenIdle(slot);
    this.#saveWhenListed(slot);
    this.#line.offer();
  }

  async #releaseErased(slot: number): Promise<void> {
    this.#line.offer();
    try {
      await this.#settler.erase(slot);
    } finally {
      this.#release(slot);
    }
  }

  async #releaseRested(slot: number): Promise<void> {
    try {
      await this.#settler.rest(slot);
    } finally {
      this.#release(slot);
    }
  }

  #saveWhenIdle(slot: number): void {
    const { policy, clock } = this.#options;
    const resident = this.#table.resident(slot);
    if (policy.save !== "idle" || resident?.saving !== "due" || this.#closed.signal.aborted) return;
    const restMs = Math.max(0, resident.usedAtMs + policy.idleMs - clock.now());
    const cancel = clock.after(restMs, () => {
      this.#hold(slot);
      this.#run(this.#saveFree(slot));
    });
    this.#timers.set(slot, cancel);
  }

  /** What could not be saved because what was saved before is still being listed. */
  #saveWhenListed(slot: number): void {
    const resident = this.#table.resident(slot);
    if (this.#options.policy.save !== "every_turn" || resident?.saving !== "due") return;
    void this.#saver.slotListed(slot).then(() => {
      const isDue = this.#table.resident(slot) === resident && this.#table.isFree(slot);
      if (!isDue || this.#closing !== undefined) return;
      this.#hold(slot);
      this.#run(this.#saveFree(slot));
    });
  }

  /** Of a slot that was free, and is held now. */
  async #saveFree(slot: number): Promise<void> {
    try {
      const look = await this.#watch.look(slot);
      if (look?.isBusy !== false) return await this.#settler.rest(slot);
      this.#settler.see(slot, look);
      await this.#settler.save(slot, this.#closed.signal);
    } finally {
      this.#release(slot);
    }
  }

  async #close(withinMs: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closed;
    const over = (): void => this.#closed.abort();
    const cancel = clock.after(withinMs, over);
    const cancelCalls = clock.after(2 * withinMs, () => this.#over.abort());
    if (withinMs <= 0) over();
    for (const wish of this.#wishes) wish.refuse("engine_unknown");
    const tried = new Set<number>();
    while (!signal.aborted) {
      const slot = this.#table.nextToSave(tried);
      if (slot !== undefined) {
        tried.add(slot);
        this.#hold(slot);
        await this.#saveFree(slot);
      } else if (this.#running.size === 0) break;
      else await Promise.race([...this.#running, pause(clock, withinMs, signal)]);
    }
    cancel();
    over();
    for (const cancelSave of this.#timers.values()) cancelSave();
    while (this.#running.size > 0) await Promise.all(this.#running);
    cancelCalls();
    await this.#saver.allListed();
  }

  #run(work: Promise<void>): void {
    const { observer } = this.#options;
    const running = work
      .catch((reason: unknown) => observer.failed("seat", reason))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
