import { afterEach, describe, expect, it } from "vitest";

import { LocationFault } from "../../../src/kv/location.ts";
import type { FaultCode, Location } from "../../../src/kv/location.ts";
import { patterned } from "../../support/bytes.ts";
import { until } from "../../support/until.ts";
import { hooked } from "../../kv/verify/stand.ts";
import { BytesStand, codeOf, LOGGED, MIB } from "./bytes-stand.ts";

describe("a location that fails", () => {
  let stand: BytesStand;
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  function fail(code: FaultCode): never {
    throw new LocationFault(code, "made to fail");
  }

  it.each([
    ["io", "503 store_failed"],
    ["not_found", "404 bytes_lost"],
    ["out_of_range", "404 bytes_lost"],
    ["mismatch", "404 bytes_lost"],
    ["not_ours", "404 bytes_lost"],
  ] as const)("with %s before the first byte is answered with %s", async (code, answer) => {
    stand = await BytesStand.open({
      around: (location) => hooked(location, { beforeRead: () => fail(code) }),
    });
    const { id } = await stand.durable("a");
    for (const range of ["bytes=0-", "bytes=0-1,4-5"]) {
      expect(await codeOf(await stand.fetch(id, { headers: { range } }))).toBe(answer);
    }
    expect(stand.unreadable).toEqual([`${id} ${code}`, `${id} ${code}`]);
    expect(stand.served.map(({ result }) => result)).toEqual(["fault", "fault"]);
    expect(stand.inFlight.at(-1)).toBe(0);
  });

  it("after the first byte never looks like the whole", async () => {
    let chunks = 0;
    const onChunk = () => (++chunks === 3 ? fail("io") : undefined);
    stand = await BytesStand.open({ around: (location) => hooked(location, { onChunk }) });
    const { id } = await stand.durable("a", (4 * MIB) / stand.layout.bytesPerToken);
    const response = await stand.fetch(id);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow("terminated");
    await until(() => stand.inFlight.at(-1) === 0);
    expect(stand.served).toMatchObject([{ result: "fault", bytes: 2 * MIB }]);
    expect(stand.unreadable).toEqual([`${id} io`]);
  });

  it("in a later part never looks like the whole", async () => {
    let reads = 0;
    const beforeRead = () => (++reads === 2 ? fail("not_found") : undefined);
    stand = await BytesStand.open({ around: (location) => hooked(location, { beforeRead }) });
    const { id } = await stand.durable("a");
    const response = await stand.fetch(id, { headers: { range: "bytes=0-1,4-5" } });
    await expect(response.arrayBuffer()).rejects.toThrow("terminated");
    expect(stand.unreadable).toEqual([`${id} not_found`]);
  });

  it("while bytes are written is answered, and the segment may be written again", async () => {
    const faults: (FaultCode | undefined)[] = ["no_space", "io", "not_found", undefined];
    stand = await BytesStand.open({ around: (location) => failingWrites(location, faults) });
    const segment = await stand.reserved("a");
    const bytes = patterned(segment.bytes);
    const answers: string[] = [];
    for (let i = 0; i < 3; i++) answers.push(await codeOf(await stand.put(segment.id, bytes)));
    expect(answers).toEqual(["503 store_failed", "503 store_failed", "404 bytes_lost"]);
    expect((await stand.put(segment.id, bytes)).status).toBe(201);
    expect(stand.inFlight.at(-1)).toBe(0);
  });

  it("when it syncs has made nothing durable", async () => {
    stand = await BytesStand.open({
      around: (location) =>
        changed(location, { sync: async () => new LocationFault("io", "made to fail") }),
    });
    const segment = await stand.reserved("a");
    const bytes = patterned(segment.bytes);
    const durable = await stand.put(segment.id, bytes, { query: "?durable=true" });
    expect(await codeOf(durable)).toBe("503 store_failed");
    expect((await stand.put(segment.id, bytes)).status).toBe(201);
  });

  it("with a bug is a fault of ours, of which the client hears no more", async () => {
    stand = await BytesStand.open({
      around: (location) =>
        hooked(location, {
          beforeRead: () => {
            throw new Error("a secret");
          },
        }),
    });
    const { id } = await stand.durable("a");
    const response = await stand.fetch(id);
    expect(await response.json()).toMatchObject({ code: "internal", detail: "internal error" });
    expect(LOGGED.splice(0)).toEqual([expect.stringContaining("a secret")]);
  });
});

function failingWrites(location: Location, faults: (FaultCode | undefined)[]): Location {
  return changed(location, {
    writeAt: async (write) => {
      const code = faults.shift();
      return code === undefined ? location.writeAt(write) : new LocationFault(code, "made to fail");
    },
  });
}

function changed(location: Location, changes: Partial<Location>): Location {
  return new Proxy(location, {
    get(_, key) {
      const value: unknown = Reflect.get(changes, key) ?? Reflect.get(location, key);
      return typeof value === "function" ? value.bind(location) : value;
    },
  });
}
