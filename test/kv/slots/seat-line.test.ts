import { expect, it } from "vitest";

import { type LinePlace, SeatLine } from "../../../src/kv/slots/seat-line.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/random.ts";

/** Things that are free, by their numbers; a place waits for one of those that it can use. */
class Stock {
  readonly line: SeatLine;
  readonly free = new Set<number>();
  readonly log: string[] = [];

  constructor(limit = 100) {
    this.line = new SeatLine(limit);
  }

  async want(
    name: string,
    things: readonly number[],
    over = new AbortController().signal,
  ): Promise<LinePlace> {
    const place = this.line.enter();
    await this.again(place, { name, things, over });
    return place;
  }

  async again(place: LinePlace, { name, things, over }: Wanted): Promise<void> {
    const taken = await place.wait(() => this.#take(things), over);
    this.log.push(`${name} ${taken}`);
  }

  put(...things: number[]): void {
    for (const thing of things) this.free.add(thing);
    this.line.offer();
  }

  #take(things: readonly number[]): number | undefined {
    const thing = things.find((each) => this.free.has(each));
    if (thing !== undefined) this.free.delete(thing);
    return thing;
  }
}

interface Wanted {
  readonly name: string;
  readonly things: readonly number[];
  readonly over: AbortSignal;
}

it("gives what is free at once, also where others wait for something else", async () => {
  const stock = new Stock();
  stock.put(1);
  void stock.want("a", [2]);
  await stock.want("b", [1]);
  expect(stock.log).toEqual(["b 1"]);
});

it("gives what becomes free to whoever has waited for longest and can use it", async () => {
  const stock = new Stock();
  void stock.want("a", [2]);
  void stock.want("b", [1]);
  void stock.want("c", [1, 2]);
  stock.put(1);
  await settle();
  stock.put(1);
  await settle();
  stock.put(2);
  await settle();
  expect(stock.log).toEqual(["b 1", "c 1", "a 2"]);
});

it("gives several things at once to as many", async () => {
  const stock = new Stock();
  for (const name of ["a", "b", "c"]) void stock.want(name, [1, 2]);
  stock.put(1, 2);
  await settle();
  expect(stock.log).toEqual(["a 1", "b 2"]);
});

it("keeps the order of who comes back with what was of no use to it", async () => {
  const stock = new Stock();
  const over = new AbortController().signal;
  stock.put(1);
  const place = await stock.want("a", [1]);
  void stock.want("b", [1]);
  void stock.again(place, { name: "a", things: [1], over });
  stock.put(1);
  await settle();
  expect(stock.log).toEqual(["a 1", "a 1"]);
});

it("lets nobody wait whose signal is aborted, before or meanwhile, and gives it nothing", async () => {
  const stock = new Stock();
  const [gone, leaving] = [new AbortController(), new AbortController()];
  gone.abort();
  stock.put(1);
  await stock.want("a", [1], gone.signal);
  const waits = stock.want("b", [2], leaving.signal);
  leaving.abort();
  await waits;
  stock.put(2);
  expect(stock.log).toEqual(["a over", "b over"]);
  expect([...stock.free]).toEqual([1, 2]);
});

it("lets as many stand in it as its limit, and one more when one has left", async () => {
  const stock = new Stock(2);
  const leaving = new AbortController();
  const first = stock.want("a", [1], leaving.signal);
  void stock.want("b", [1]);
  await stock.want("c", [1]);
  expect([stock.log, stock.line.standing]).toEqual([["c full"], 2]);
  leaving.abort();
  const place = await first;
  await stock.want("d", [1]);
  place.leave();
  place.leave();
  void stock.want("e", [1]);
  await settle();
  expect([stock.log, stock.line.standing]).toEqual([["c full", "a over", "d full"], 2]);
});

it("counts nobody who need not wait, and turns nobody away who has waited before", async () => {
  const stock = new Stock(1);
  const over = new AbortController().signal;
  const waits = stock.want("a", [1]);
  stock.put(1);
  const place = await waits;
  place.leave();
  void stock.want("b", [1]);
  void stock.again(place, { name: "a", things: [1], over });
  await settle();
  expect(stock.line.standing).toBe(2);
  stock.put(1);
  await settle();
  expect(stock.log).toEqual(["a 1", "a 1"]);
});

it("starves nobody, and lets nobody be overtaken by one who came later and wants the same", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    const line = new SeatLine(1_000);
    const free = new Set([0, 1, 2]);
    const waiting = new Map<number, number>();
    const done: number[] = [];
    const serve = async (name: number, wants: number): Promise<void> => {
      const place = line.enter();
      waiting.set(name, wants);
      const thing = await place.wait(() => (free.delete(wants) ? wants : undefined), NEVER);
      place.leave();
      const earlier = [...waiting].filter(([other, want]) => other < name && want === wants);
      expect(earlier).toEqual([]);
      waiting.delete(name);
      await new Promise<void>((resolve) => clock.after(1 + random() * 50, resolve));
      free.add(Number(thing));
      line.offer();
      done.push(name);
    };
    for (let name = 0; name < 60; name++) {
      void serve(name, Math.floor(random() * 3));
      await clock.advance(random() * 10);
    }
    await clock.advance(60 * 51);
    expect(done).toHaveLength(60);
  }
});

const NEVER = new AbortController().signal;
