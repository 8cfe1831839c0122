import { afterAll, beforeAll, describe } from "vitest";

import { describeLocation } from "../../contracts/location-contract.ts";
import type { Adapter } from "../../contracts/location-contract.ts";
import type { Naming } from "../../../src/kv/locations/directory-naming.ts";
import { CAPACITY_BYTES, createRoot, openAt } from "./roots.ts";

function directory(naming: Naming): Adapter {
  return {
    canExtend: true,
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

describe("where there is no /proc", () => {
  const { platform } = process;
  beforeAll(() => Object.defineProperty(process, "platform", { value: "darwin" }));
  afterAll(() => Object.defineProperty(process, "platform", { value: platform }));

  describeLocation("directory, by path", directory("sharded"));
});
