import { expect, it } from "vitest";

import { Looks } from "../../../src/kv/popularity/looks.ts";
import type { Segment, SegmentId } from "../../../src/kv/records.ts";

const id = (name: string | number) => `${name}` as SegmentId;

interface Store {
  readonly hot?: readonly string[];
  readonly all?: readonly string[];
}

function looksAt({ hot = [], all = [] }: Store): Looks {
  return new Looks({
    catalog: {
      nextSegment(after) {
        const next = all.find((each) => after === undefined || each > after);
        return next === undefined ? undefined : ({ id: id(next) } as Segment);
      },
    },
    rates: { above: () => hot.map((each) => ({ segment: id(each), readsPerSecond: 9 })) },
    readsPerSecond: 1,
  });
}

async function passOf(looks: Looks, limit = Infinity): Promise<string[]> {
  const seen: string[] = [];
  for await (const each of looks.pass(() => seen.length < limit)) seen.push(each);
  return seen;
}

it("are at the most read, the stored, those with replicas and all, each once", async () => {
  const looks = looksAt({ hot: ["c", "a"], all: ["a", "b", "c", "d", "e"] });
  looks.stored(id("b"));
  looks.found(id("d"), true);
  expect(await passOf(looks)).toEqual(["c", "a", "b", "d", "e"]);
  looks.found(id("d"), false);
  expect(await passOf(looks)).toEqual(["c", "a", "b", "d", "e"]);
});

it("go on in the next pass where nothing more could be made in this one", async () => {
  const looks = looksAt({ hot: ["c", "b", "a"] });
  looks.stored(id("x"));
  expect(await passOf(looks, 2)).toEqual(["c", "b"]);
  expect(await passOf(looks, 1)).toEqual(["a"]);
  expect(await passOf(looks)).toEqual(["c", "b", "a", "x"]);
  expect(await passOf(looks)).toEqual(["c", "b", "a"]);
});

it("are at so many of each kind in a pass, and at all of them in time", async () => {
  const names = Array.from({ length: 100 }, (_, at) => `s${100 + at}`);
  const hot = looksAt({ hot: names });
  expect([(await passOf(hot)).length, (await passOf(hot)).length]).toEqual([64, 36]);
  const all = looksAt({ all: names });
  expect([...(await passOf(all)), ...(await passOf(all))]).toEqual(names);
  const replicated = looksAt({});
  for (const name of names) replicated.found(id(name), true);
  const first = await passOf(replicated);
  for (const name of first) replicated.found(id(name), true);
  expect([...first, ...(await passOf(replicated))].slice(0, 100)).toEqual(names);
});
