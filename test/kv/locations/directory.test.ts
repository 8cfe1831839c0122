import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { describeLocation } from "../../contracts/location-contract.ts";
import type { Adapter } from "../../contracts/location-contract.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { Naming } from "../../../src/kv/locations/directory-naming.ts";
import { listAll, ok } from "../../support/location-results.ts";
import { CAPACITY_BYTES, createRoot, openAt } from "./roots.ts";

function directory(naming: Naming): Adapter {
  return {
    canExtend: true,
    hasStaging: true,
    open: async () => {
      const root = await createRoot();
      const location = await openAt(root.path, { naming });
      const close = (): Promise<void> => location.close().then(root.remove);
      return { location, capacityBytes: CAPACITY_BYTES, close };
    },
  };
}

describeLocation("directory, sharded", directory("sharded"));
describeLocation("directory, flat", directory("flat"));

it("objects that are the first in their folder are made all at once", async () => {
  const { location, close } = await directory("sharded").open();
  const folderOf = (name: ObjectName): string =>
    location.uri(name).slice(0, "file:///00/00".length);
  const names = Array.from({ length: 40_000 }, (_, n) => `s-${n}` as ObjectName);
  const together = names.filter((name) => folderOf(name) === "file:///24/26");
  expect(together.length).toBeGreaterThan(4);
  for (const result of await Promise.all(together.map((name) => location.reserve(name, 1))))
    ok(result);
  expect((await listAll(location)).names).toEqual(together.toSorted());
  await close();
});

describe("where there is no /proc", () => {
  const { platform } = process;
  beforeAll(() => Object.defineProperty(process, "platform", { value: "darwin" }));
  afterAll(() => Object.defineProperty(process, "platform", { value: platform }));

  describeLocation("directory, by path", directory("sharded"));
});
