/** What is told of each request, for metrics. */
import { afterEach, expect, it, vi } from "vitest";

import { CATALOGS } from "../kv/turns/catalogs.ts";
import { ApiBenches } from "./api-benches.ts";

const benches = new ApiBenches(CATALOGS[0]);
afterEach(() => benches.close());

it("names the operation of each request and its status, and nothing that a client wrote", async () => {
  const { bench, client } = await benches.openWithSession();
  await bench.turn(client, "a", ["one ", "two "]);
  const paths = ["/v1/sessions/a", "/v1/sessions/b", "/v1/openapi.json", "/v1/nowhere"];
  for (const path of paths) await (await fetch(bench.url + path)).text();
  await vi.waitUntil(() => bench.answers.length === 3 + paths.length);
  expect(bench.answers.map(({ operation, status }) => `${operation} ${status}`)).toEqual([
    "createSession 201",
    "planTurn 200",
    "commitTurn 200",
    "getSession 200",
    "getSession 404",
    "describeApi 200",
    "none 404",
  ]);
});

it("tells how long the answer took", async () => {
  const { bench, client } = await benches.openWithSession();
  await bench.turn(client, "a", ["one ", "two "]);
  await vi.waitUntil(() => bench.answers.length === 3);
  for (const { durationMs } of bench.answers) expect(durationMs).toBeGreaterThan(0);
});
