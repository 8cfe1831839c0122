/** No room for a reservation, in whichever way: the request goes on, loads what there is and stores nothing, and a metric says why. */
import { afterEach, describe, expect, it } from "vitest";

import { type ServiceOptions, TOKEN_BYTES } from "../support/kv-service.ts";
import { ServiceTurns, tokensOf } from "./service-turns.ts";

const MIB = 2 ** 20;
const FIRST = tokensOf(96);
const LONG = [...FIRST, ...tokensOf((6 * MIB) / TOKEN_BYTES, 2)];

let turns: ServiceTurns;
afterEach(() => turns.close());

async function open(options: ServiceOptions): Promise<void> {
  const long = "{ turnMs: 60000, waitMs: 0, reservationTokens: 65536 }";
  turns = await ServiceTurns.open({ ...options, sections: { turns: long, ...options.sections } });
  await turns.create("a");
}

function disk(capacityBytes: number, freeFloorBytes = 0) {
  const limits = `capacityBytes: ${capacityBytes}, freeFloorBytes: ${freeFloorBytes}`;
  return { locations: `[{ id: disk, root: disk, uriPrefix: "file:///disk/", ${limits} }]` };
}

describe("no room", { timeout: 30_000 }, () => {
  it.each<[string, string, ServiceOptions]>([
    ["a file may be no larger", "file_no_space", { fileLimitBytes: 4 * MIB }],
    ["the location is full", "no_space", { sections: disk(4 * MIB) }],
    [
      "the tenant has its quota",
      "quota_bytes",
      { sections: { defaultTenant: `{ quota: { bytes: ${4 * MIB} } }` } },
    ],
  ])("loads what there is and stores nothing where %s", async (_, result, options) => {
    await open(options);
    await turns.turn({ session: "a", prompt: FIRST, output: [] });
    const plan = await turns.plan("a", LONG);
    expect(plan).toMatchObject({ turn: null, fresh_kv_cache: [], unreserved: result });
    expect(plan.stored_tokens).toBe(FIRST.length);
    expect(await turns.service.metric("kv_reservations_total", { result })).toBe(1);
  });

  it("stores what fits after what did not", async () => {
    await open({ fileLimitBytes: 4 * MIB });
    expect(await turns.plan("a", LONG)).toMatchObject({ unreserved: "file_no_space" });
    const { listed } = await turns.turn({ session: "a", prompt: FIRST, output: [] });
    expect(listed).toMatchObject([{ token_start: 0, token_length: FIRST.length }]);
  });

  it("stores nothing where the device would have less free than it must", async () => {
    await open({ sections: disk(4 * MIB, 2 ** 50) });
    const plan = await turns.plan("a", FIRST);
    expect(plan).toMatchObject({ turn: null, stored_tokens: 0, unreserved: "no_space" });
    expect(await turns.service.metric("kv_reservations_total", { result: "no_space" })).toBe(1);
  });
});
