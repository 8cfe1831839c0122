import { expect, it } from "vitest";

import { isReached, type Labels, Reaches } from "../../src/kv/reach.ts";

const site = (id: string, labels: Labels = {}, engines = true) => ({ id, labels, engines });

interface Case {
  readonly who: string;
  readonly location?: Labels;
  readonly endpoint?: Labels;
  readonly is: boolean;
}

it.each<Case>([
  { who: "without labels by everybody", endpoint: { node: "1" }, is: true },
  {
    who: "by who has all its labels, and more",
    location: { node: "1" },
    endpoint: { node: "1", zone: "z" },
    is: true,
  },
  {
    who: "by nobody with another value",
    location: { node: "1" },
    endpoint: { node: "2" },
    is: false,
  },
  {
    who: "by nobody who has some of them alone",
    location: { node: "1", zone: "z" },
    endpoint: { node: "1" },
    is: false,
  },
  {
    who: "by nobody for a name that every object has",
    location: { constructor: "x" },
    is: false,
  },
])("a location is reached $who", ({ location, endpoint: labels = {}, is }) => {
  expect(isReached(site("a", location), { labels })).toBe(is);
  expect(isReached(site("a", location, false), { labels })).toBe(false);
});

it("the same reach is the same object, whoever has it", () => {
  const sites = [site("shared"), site("one", { node: "1" }), site("archive", {}, false)];
  const reaches = new Reaches(sites);
  const labels = { node: "1" };
  const first = reaches.of({ labels });
  expect(first).toEqual(new Set(["shared", "one"]));
  expect(reaches.of({ labels })).toBe(first);
  expect(reaches.of({ labels: { node: "1", zone: "z" } })).toBe(first);
  expect(reaches.of({ labels: {} })).toEqual(new Set(["shared"]));
});
