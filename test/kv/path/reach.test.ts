/** Turns of endpoints whose engines do not all see the same locations. */
import { afterEach, expect, it } from "vitest";

import type { Endpoint } from "../../../src/endpoints/endpoint.ts";
import type { Labels } from "../../../src/kv/reach.ts";
import { bodyOf, ENGINE_A, ENGINE_B, PathBench } from "../../support/path-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

const SITES = [
  { id: "one", labels: { node: "1" }, engines: true },
  { id: "two", labels: { node: "2" }, engines: true },
];

function on(endpoint: Endpoint, labels: Labels): Endpoint {
  return { ...endpoint, labels };
}

const A = on(ENGINE_A, { node: "1", zone: "z" });
const B = on(ENGINE_B, { node: "2" });
const ALSO_ONE = on({ ...ENGINE_B, address: "10.0.0.3:80" }, { node: "1" });

async function open(): Promise<PathBench> {
  return new PathBench(await benches.open({ sites: SITES }));
}

it("gives an engine what its labels say that it reaches, and what was brought there first", async () => {
  const path = await open();
  await path.turn("one ", "two ", { endpoint: A });
  const there = await path.begin("one two three ", { endpoint: B });
  expect(there.status).toBe("reused=7");
  const { session_params: kv } = bodyOf(there);
  expect(kv?.stored_kv_cache).toMatchObject([{ kv_uri: expect.stringMatching(/\/two\/copy/) }]);
  expect(kv?.fresh_kv_cache).toMatchObject([{ kv_uri: "file:///two/a", token_start: 7 }]);
  there.turn.abandon();
  await path.ended();
  const here = await path.begin("one two three ", { endpoint: ALSO_ONE });
  expect(here.status).toBe("reused=7");
  expect(bodyOf(here).session_params?.stored_kv_cache).toMatchObject([{ kv_uri: "file:///one/a" }]);
});

it("may go on to the engines that reach all that the body names, and to no others", async () => {
  const path = await open();
  const begun = await path.begin("one ", { endpoint: A, fallbacks: [B, ALSO_ONE] });
  expect(new Set(begun.fallbacks)).toEqual(new Set([A, ALSO_ONE]));
});

it("says of an engine that reaches nothing that there is no location", async () => {
  const path = await open();
  const begun = await path.begin("one ", { endpoint: ENGINE_A });
  expect(begun.status).toBe("no_location");
});
