/** A slot desk over a server and snapshots in memory, with a clock that stands still. */
import type { SessionKey } from "../../../src/kv/records.ts";
import type { NoSeatReason, SavePolicy, Seat, SeatRequest } from "../../../src/kv/slots/seat.ts";
import { SlotDesk } from "../../../src/kv/slots/slot-desk.ts";
import type {
  EndedRestore,
  EndedSave,
  SlotCall,
  SlotObserver,
} from "../../../src/kv/slots/slot-observer.ts";
import type { DisplacedBy } from "../../../src/kv/slots/slot-table.ts";
import { FakeClock, settle } from "../fake-clock.ts";
import { SlotServerModel, wordsOf } from "./slot-server-model.ts";
import { SnapshotDeskModel } from "./snapshot-desk-model.ts";

export interface StandOptions extends Partial<SavePolicy> {
  readonly slots?: number;
  readonly contextTokens?: number;
}

export interface WishedTurn extends Partial<SeatRequest> {
  /** How long it waits at most. */
  readonly forMs?: number;
  readonly salt?: string;
}

const POLICY: SavePolicy = { save: "every_turn", idleMs: 30_000, minTokens: 1, waitingLimit: 100 };
const WAIT_MS = 10_000;

export class SlotStand {
  readonly clock = new FakeClock();
  readonly server: SlotServerModel;
  readonly snapshots: SnapshotDeskModel;
  readonly desk: SlotDesk;
  /** `restored`, `fresh nothing_stored`, or the reason of a refusal. */
  readonly seats: string[] = [];
  readonly saves: EndedSave[] = [];
  readonly restores: EndedRestore[] = [];
  readonly displaced: DisplacedBy[] = [];
  readonly failed: SlotCall[] = [];

  constructor({ slots = 2, contextTokens, ...policy }: StandOptions = {}) {
    this.server = new SlotServerModel(slots, this.clock, contextTokens);
    this.snapshots = new SnapshotDeskModel(this.server.files);
    this.desk = new SlotDesk({
      server: this.server,
      snapshots: this.snapshots,
      policy: { ...POLICY, ...policy },
      clock: this.clock,
      observer: this.#observer(),
    });
  }

  async seat(id: string, text: string, wished?: WishedTurn): Promise<Seat | NoSeatReason> {
    return await this.desk.seat(this.request(id, text, wished));
  }

  request(id: string, text: string, wished: WishedTurn = {}): SeatRequest {
    const { forMs = WAIT_MS, salt, ...changes } = wished;
    const context = { cacheSalt: salt };
    return {
      session: sessionOf(id),
      prompt: { context, bytes: new TextEncoder().encode(text) },
      promptTokens: wordsOf(text).length,
      untilMs: this.clock.now() + forMs,
      signal: new AbortController().signal,
      turnMs: () => undefined,
      ...changes,
    };
  }

  /** One that is seated; anything else fails the test. */
  async seated(id: string, text: string, wished?: WishedTurn): Promise<Seat> {
    return seatOf(await this.seat(id, text, wished));
  }

  /** A whole turn, with all that comes after it. The answer is the prompt's last word, said again and again. */
  async turn(id: string, text: string, wished?: WishedTurn): Promise<Seat> {
    const seat = await this.seated(id, text, wished);
    this.answer(seat, text);
    await settle();
    return seat;
  }

  /** It runs in its slot, and is answered with four words. How many words of the prompt were there. */
  answer(seat: Seat, text: string): number {
    const running = this.server.begin(seat.slot, { prompt: text, output: ANSWER });
    seat.leave({ kind: "answered", ...running.finish() });
    return running.cachedTokens;
  }

  /** What was begun comes as far as it comes at once, before the time goes on. */
  async advance(ms: number): Promise<void> {
    await settle();
    await this.clock.advance(ms);
  }

  #observer(): SlotObserver {
    return {
      seated: ({ from, why }) => this.seats.push(why === undefined ? from : `${from} ${why}`),
      refused: (reason) => this.seats.push(reason),
      saved: (save) => this.saves.push(save),
      restored: (restore) => this.restores.push(restore),
      displaced: (by) => this.displaced.push(by),
      failed: (call) => this.failed.push(call),
    };
  }
}

export const ANSWER = "and so it is";

/** `b/x`: of tenant b; else of tenant "". */
export function sessionOf(id: string): SessionKey {
  const [tenant, own] = id.includes("/") ? id.split("/") : ["", id];
  return { tenant: tenant ?? "", id: own ?? "" };
}

/** So many words, none of them another text's: `a0 a1 a2`. */
export function text(name: string, words: number): string {
  return Array.from({ length: words }, (_, at) => `${name}${at}`).join(" ");
}

export function seatOf(answer: Seat | NoSeatReason): Seat {
  if (typeof answer === "string") throw new Error(`no seat: ${answer}`);
  return answer;
}
