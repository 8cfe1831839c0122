/** A slot desk under turns, strangers, failures and departures in any order, by one seed. What must hold is asserted by whoever runs it. */
import type { Random } from "../../../src/clock.ts";
import type { SavePolicy, Seat } from "../../../src/kv/slots/seat.ts";
import { settle } from "../fake-clock.ts";
import { seededRandom } from "../random.ts";
import type { SlotCall } from "./slot-server-model.ts";
import { wordsOf } from "./slot-server-model.ts";
import { ANSWER, SlotStand, text } from "./slot-stand.ts";

const SESSIONS = ["a", "b", "c", "d", "t/a", "t/b"];
const SAVES: readonly SavePolicy["save"][] = ["every_turn", "on_evict", "idle"];
const CALLS: readonly SlotCall[] = ["look", "save", "restore", "erase"];

export class RandomSlotTurns {
  readonly stand: SlotStand;
  /** Whatever should not have happened. */
  readonly flaws: string[] = [];
  asked = 0;
  answered = 0;
  readonly #random: Random;
  readonly #sitting = new Map<number, string>();
  readonly #texts = new Map<string, string>();
  #words = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const slots = 1 + this.#below(3);
    const waitingLimit = 2 + this.#below(10);
    const save = this.#pick(SAVES);
    this.stand = new SlotStand({ slots, waitingLimit, save, idleMs: 500, minTokens: 10 });
  }

  /** So many steps; then whatever was begun comes to its end. */
  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.#step();
      await this.stand.advance(this.#below(3) === 0 ? this.#below(400) : 0);
    }
    await this.stand.advance(60_000);
  }

  /** With a server that does what it is asked for at once: one turn of each session. */
  async calm(): Promise<void> {
    const { server } = this.stand;
    for (const call of CALLS) {
      server.faults[call].length = 0;
      server.delaysMs[call] = 0;
    }
    for (const id of SESSIONS) {
      const seat = this.stand.seated(id, this.#promptOf(id));
      await this.stand.advance(1_000);
      (await seat).leave({ kind: "unsent" });
    }
  }

  #step(): void {
    const { server, desk } = this.stand;
    const chance = this.#random();
    if (chance < 0.6) void this.#turn(this.#pick(SESSIONS));
    else if (chance < 0.7) this.#intrude();
    else if (chance < 0.75) {
      const slot = this.#below(server.slots);
      if (!server.isBusy(slot)) server.clear(slot);
    } else if (chance < 0.85) {
      server.faults[this.#pick(CALLS)].push(this.#pick(["refused", "lost", "unsound"] as const));
    } else if (chance < 0.97) {
      server.delaysMs[this.#pick(CALLS)] = this.#pick([0, 0, 5, 200, 2_000]);
    } else {
      const id = this.#pick(SESSIONS);
      this.#texts.delete(id);
      const [tenant, own] = id.includes("/") ? id.split("/") : ["", id];
      desk.end({ tenant: tenant ?? "", id: own ?? "" });
    }
  }

  async #turn(id: string): Promise<void> {
    const { stand } = this;
    const prompt = this.#promptOf(id);
    const leaving = new AbortController();
    const forMs = this.#below(1_500);
    const untilMs = stand.clock.now() + forMs;
    if (this.#below(4) === 0) stand.clock.after(this.#below(800), () => leaving.abort());
    this.asked += 1;
    const answer = await stand.seat(id, prompt, { forMs, signal: leaving.signal });
    this.answered += 1;
    if (stand.clock.now() > untilMs) this.flaws.push(`${id} was answered after its deadline`);
    if (typeof answer === "string") return;
    await this.#sit(id, { seat: answer, prompt }).catch((reason: unknown) =>
      this.flaws.push(String(reason)),
    );
  }

  async #sit(id: string, { seat, prompt }: { seat: Seat; prompt: string }): Promise<void> {
    const { server } = this.stand;
    const { slot } = seat;
    if (this.#sitting.has(slot)) this.flaws.push(`slot ${slot} has two turns`);
    if ([...this.#sitting.values()].includes(id)) this.flaws.push(`${id} has two turns`);
    this.#judgeContent(id, seat);
    this.#sitting.set(slot, id);
    const ends = this.#below(5);
    if (ends === 0 || server.isBusy(slot)) {
      this.#sitting.delete(slot);
      return seat.leave({ kind: "unsent" });
    }
    const running = server.begin(slot, { prompt, output: ANSWER });
    await this.#pass(this.#below(300));
    this.#sitting.delete(slot);
    if (ends === 1) {
      running.cut(this.#below(4));
      return seat.leave({ kind: "unknown" });
    }
    this.#texts.set(id, `${prompt} ${ANSWER}`);
    seat.leave({ kind: "answered", ...running.finish() });
    if (this.#below(3) === 0) seat.leave({ kind: "unknown" });
  }

  /** Of another tenant's there is nothing, of which the session could notice anything; and of its own what was promised. */
  #judgeContent(id: string, { slot, from }: Seat): void {
    const words = this.stand.server.wordsIn(slot);
    const foreign = words.filter((word) => isForeign(word, id));
    if (foreign.length > 0) this.flaws.push(`${id} sits on ${foreign[0]}`);
    if (from === "resident" && words.length === 0) this.flaws.push(`${id} is not resident`);
  }

  /** More words than any turn here, so that what they leave is never as long as what a turn left. */
  #intrude(): void {
    const { server } = this.stand;
    const slot = this.#below(server.slots);
    if (server.isBusy(slot)) return;
    const prompt = text(`~${++this.#words}-`, 500 + this.#words);
    const running = server.begin(slot, { prompt, output: "x", isStrange: true });
    const forMs = this.#below(2) === 0 ? 0 : this.#below(600);
    if (forMs === 0) running.finish();
    else this.stand.clock.after(forMs, () => running.finish());
  }

  /** Mostly what the session said so far, and some words more. */
  #promptOf(id: string): string {
    const told = this.#below(8) === 0 ? undefined : this.#texts.get(id);
    const from = told === undefined || wordsOf(told).length > 300 ? "" : `${told} `;
    return `${from}${text(`${id}:${++this.#words}-`, 20 + this.#below(30))}`;
  }

  async #pass(ms: number): Promise<void> {
    if (ms === 0) return settle();
    await new Promise<void>((resolve) => this.stand.clock.after(ms, resolve));
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(from: readonly [T, ...T[]] | readonly T[]): T {
    return from[this.#below(from.length)] as T;
  }
}

/** A word of a session's prompts that is none of this tenant's; words of answers and of strangers are anybody's. */
function isForeign(word: string, id: string): boolean {
  const [owner, own] = word.split(":");
  return own !== undefined && owner?.includes("/") !== id.includes("/");
}
