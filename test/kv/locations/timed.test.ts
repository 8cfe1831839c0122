import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { LocationFault, type ObjectName } from "../../../src/kv/location.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import { type OperationEnd, timed } from "../../../src/kv/locations/timed.ts";
import { describeLocation } from "../../contracts/location-contract.ts";
import { collect } from "../../support/bytes.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { CAPACITY_BYTES, createRoot, openAt } from "./roots.ts";

describeLocation("timed", {
  canExtend: true,
  hasStaging: true,
  open: async () => {
    const root = await createRoot();
    const inner = await openAt(root.path);
    const location = timed(inner, { clock: new FakeClock(), ended: () => {} });
    const close = (): Promise<void> => location.close().then(root.remove);
    return { location, capacityBytes: CAPACITY_BYTES, close };
  },
});

describe("a timed location", () => {
  const name = "a" as ObjectName;
  const clock = new FakeClock();
  const ends: OperationEnd[] = [];
  let root: Awaited<ReturnType<typeof createRoot>>;
  let inner: DirectoryLocation;

  beforeEach(async () => {
    ends.length = 0;
    root = await createRoot();
    inner = await openAt(root.path);
  });
  afterEach(async () => {
    await inner.close();
    await root.remove();
  });

  it("tells how long an operation took", async () => {
    const slow = Object.create(inner, {
      stat: {
        value: async () => {
          await clock.advance(7);
          return undefined;
        },
      },
    }) as DirectoryLocation;
    await timed(slow, { clock, ended: (end) => ends.push(end) }).stat(name);
    expect(ends).toEqual([{ operation: "stat", durationMs: 7, fault: undefined }]);
  });

  it("tells the fault that an operation ended in, and answers it", async () => {
    const location = timed(inner, { clock, ended: (end) => ends.push(end) });
    const answer = await location.sync(name);
    expect(answer).toBeInstanceOf(LocationFault);
    expect(ends).toEqual([{ operation: "sync", durationMs: 0, fault: "not_found" }]);
  });

  it("tells of a read once it is over, with its fault", async () => {
    const location = timed(inner, { clock, ended: (end) => ends.push(end) });
    await location.reserve(name, 10);
    await collect(location.read(name, [{ offset: 0, length: 10 }]));
    await expect(collect(location.read(name, [{ offset: 5, length: 10 }]))).rejects.toThrow();
    const reads = ends.filter(({ operation }) => operation === "read");
    expect(reads.map(({ fault }) => fault)).toEqual([undefined, "out_of_range"]);
  });

  it("tells of a read that was left early", async () => {
    const location = timed(inner, { clock, ended: (end) => ends.push(end) });
    await location.reserve(name, 10);
    for await (const chunk of location.read(name, [{ offset: 0, length: 10 }])) {
      if (chunk.length > 0) break;
    }
    expect(ends.at(-1)).toMatchObject({ operation: "read", fault: undefined });
  });
});
