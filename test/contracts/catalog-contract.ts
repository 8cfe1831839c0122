/**
 * What every catalog must do. An adapter's test calls this with a way to open a fresh one. Every test leaves a catalog that the
 * audit finds no fault in.
 */
import { afterEach, beforeEach, describe, expect } from "vitest";

import type { Catalog } from "../../src/kv/catalog.ts";
import { KvDesk } from "../support/kv-desk.ts";
import { describeAttachments } from "./catalog/attachments.ts";
import { describeCharges } from "./catalog/charges.ts";
import { describeCompactions } from "./catalog/compactions.ts";
import { describeCondemnations } from "./catalog/condemnations.ts";
import { describeCuts } from "./catalog/cuts.ts";
import { describeEnds } from "./catalog/ends.ts";
import { describeEvictions } from "./catalog/evictions.ts";
import { describeFiles } from "./catalog/files.ts";
import { describeForks } from "./catalog/forks.ts";
import { describeMatches } from "./catalog/matches.ts";
import { describeReadLeases } from "./catalog/read-leases.ts";
import { describeReadCounts } from "./catalog/read-counts.ts";
import { describePrefixes } from "./catalog/prefixes.ts";
import { describeReplicaEvictions } from "./catalog/replica-evictions.ts";
import { describeReplicas } from "./catalog/replicas.ts";
import { describeReports } from "./catalog/reports.ts";
import { describeReservations } from "./catalog/reservations.ts";
import { describeSessions } from "./catalog/sessions.ts";
import { describeSettling } from "./catalog/settling.ts";
import { describeSnapshotLives } from "./catalog/snapshot-lives.ts";
import { describeSnapshotMatches } from "./catalog/snapshot-matches.ts";
import { describeSnapshots } from "./catalog/snapshots.ts";
import { describeSteps } from "./catalog/steps.ts";

export function describeCatalog(name: string, open: () => Promise<Catalog>): void {
  describe(`catalog contract: ${name}`, () => {
    let desk: KvDesk;
    beforeEach(async () => {
      desk = new KvDesk(await open());
    });
    afterEach(async () => {
      const faults = await desk.catalog.audit();
      await desk.catalog.close();
      expect(faults).toEqual([]);
    });

    describeSessions(() => desk);
    describeReservations(() => desk);
    describeReports(() => desk);
    describeSettling(() => desk);
    describeMatches(() => desk);
    describeForks(() => desk);
    describeAttachments(() => desk);
    describePrefixes(() => desk);
    describeSteps(() => desk);
    describeCharges(() => desk);
    describeCuts(() => desk);
    describeEnds(() => desk);
    describeEvictions(() => desk);
    describeCompactions(() => desk);
    describeCondemnations(() => desk);
    describeFiles(() => desk);
    describeReadLeases(() => desk);
    describeReadCounts(() => desk);
    describeReplicas(() => desk);
    describeReplicaEvictions(() => desk);
    describeSnapshots(() => desk);
    describeSnapshotMatches(() => desk);
    describeSnapshotLives(() => desk);
  });
}
