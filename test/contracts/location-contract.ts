/**
 * What every Location must do. An adapter's test calls this with a way to open an empty one. Nothing here needs a rename, an
 * append or a write in the middle, except what stands under `extend`, which only an adapter that has it is asked for.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ok } from "../support/location-results.ts";
import { describeLists } from "./location/lists.ts";
import type { OpenLocation } from "./location/objects.ts";
import { describePuts } from "./location/puts.ts";
import { describeReads } from "./location/reads.ts";
import { describeRemovals } from "./location/removals.ts";
import { describeExtensions, describeReservations } from "./location/reservations.ts";
import { describeStaging } from "./location/staging.ts";
import { describeStats } from "./location/stats.ts";
import { describeUris } from "./location/uris.ts";
import { describeWrites } from "./location/writes.ts";

export interface Adapter {
  readonly canExtend: boolean;
  readonly hasStaging: boolean;
  readonly open: () => Promise<OpenLocation>;
}

export function describeLocation(
  adapterName: string,
  { canExtend, hasStaging, open }: Adapter,
): void {
  describe(`location contract: ${adapterName}`, () => {
    let opened: OpenLocation;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());

    describeReservations(() => opened);
    describeStats(() => opened);
    describeWrites(() => opened);
    describeReads(() => opened);
    describePuts(() => opened);
    describeRemovals(() => opened);
    describeLists(() => opened);
    describeUris(() => opened);

    it("knows how much is free", async () => {
      expect(ok(await opened.location.freeBytes())).toBeGreaterThan(0);
    });

    it("says whether objects can grow", () => {
      expect(opened.location.extend !== undefined).toBe(canExtend);
    });

    it("says whether engines share its filesystem", () => {
      expect(opened.location.staging !== undefined).toBe(hasStaging);
    });

    if (hasStaging) describeStaging(() => opened);
    if (canExtend) describeExtensions(() => opened);
  });
}
