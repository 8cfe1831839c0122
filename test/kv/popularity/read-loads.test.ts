import { expect, it } from "vitest";

import { LOAD_HALF_LIFE_MS, ReadLoads } from "../../../src/kv/popularity/read-loads.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const WEIGHTS: Readonly<Record<string, number>> = { a: 1, b: 1, big: 3 };

function loads(): { loads: ReadLoads; clock: FakeClock } {
  const clock = new FakeClock();
  return { loads: new ReadLoads({ clock, weight: (id) => WEIGHTS[id] ?? 1 }), clock };
}

it("is what was read at a location lately, by its weight", async () => {
  const { loads: read, clock } = loads();
  read.add("a", 600);
  read.add("big", 600);
  expect([read.load("a"), read.load("big"), read.load("b")]).toEqual([600, 200, 0].map(near));
  await clock.advance(LOAD_HALF_LIFE_MS);
  expect([read.load("a"), read.load("big")]).toEqual([300, 100].map(near));
  read.add("a", 100);
  expect(read.load("a")).toEqual(near(400));
});

it("spreads as the weights are what is read where the load is least", async () => {
  const { loads: read, clock } = loads();
  const bytes: Record<string, number> = { a: 0, b: 0, big: 0 };
  for (let turn = 0; turn < 5_000; turn++) {
    const [least = ""] = Object.keys(bytes).toSorted((x, y) => read.load(x) - read.load(y));
    const size = turn % 2 === 0 ? 100 : 7;
    read.add(least, size);
    bytes[least] = (bytes[least] ?? 0) + size;
    await clock.advance(turn % 50 === 0 ? 1_000 : 0);
  }
  const [a = 0, b = 0, big = 0] = Object.values(bytes);
  expect(b / a).toBeCloseTo(1, 1);
  expect(big / a).toBeCloseTo(3, 1);
});

function near(value: number): unknown {
  return expect.closeTo(value, 6);
}
