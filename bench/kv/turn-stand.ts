/** The KV core as the program composes it, over a catalog that is there and a directory of its own. */
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { systemClock, systemRandom } from "../../src/clock.ts";
import { createDigests } from "../../src/digests.ts";
import type { Catalog } from "../../src/kv/catalog.ts";
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import { timedChanges } from "../../src/kv/catalog/timed-changes.ts";
import type { CatalogStore } from "../../src/kv/catalog/transaction.ts";
import { NamespaceKeys } from "../../src/kv/chain/namespace-keys.ts";
import { type Location, LocationFault } from "../../src/kv/location.ts";
import { openDirectory } from "../../src/kv/locations/directory.ts";
import { timed } from "../../src/kv/locations/timed.ts";
import type { SessionKey } from "../../src/kv/records.ts";
import { hurriedIn } from "../../src/kv/turns/hurried.ts";
import { Models } from "../../src/kv/turns/models.ts";
import { Places } from "../../src/kv/turns/places.ts";
import { SessionDesk } from "../../src/kv/turns/session-desk.ts";
import { TurnDesk } from "../../src/kv/turns/turn-desk.ts";
import { SegmentChecker } from "../../src/kv/verify/segment-checker.ts";
import type { SegmentVerifier, StoredSegment } from "../../src/kv/verify/segment-verifier.ts";
import { orderedName } from "../../src/ordered-name.ts";
import type { PlanParts } from "./plan-parts.ts";
import { CONVERSATION, LOCATION, PLENTY, PROFILE, RETENTION } from "./scale.ts";
import { partEnds, sequenceOf } from "./prompts.ts";

export interface StandOptions {
  /** Of the catalog, which is changed. */
  readonly path: string;
  /** An empty folder. */
  readonly root: string;
  readonly nowMs: () => number;
  readonly parts: Pick<PlanParts, "changed" | "used">;
}

export interface Stand {
  readonly catalog: Catalog;
  /** Of the catalog. */
  readonly store: CatalogStore;
  readonly location: Location;
  readonly desk: TurnDesk;
  readonly keys: NamespaceKeys;
  create(id: string): Promise<SessionKey>;
  /** All turns of a conversation with these tokens, the last of which ends at the last whole page. */
  converse(id: string, ids: Uint32Array): Promise<void>;
  close(): Promise<void>;
}

export async function openStand(options: StandOptions): Promise<Stand> {
  const { path, root, nowMs, parts } = options;
  const newName = () => orderedName(nowMs());
  const digests = createDigests();
  const keys = new NamespaceKeys(Buffer.alloc(32, 7), digests);
  const store = new LmdbStore({ path, durability: "power_loss" });
  const clock = systemClock;
  const catalog = timedChanges(await openCatalog(store), { clock, ended: parts.changed });
  const location = timed(await openLocation(root, nowMs), { clock, ended: parts.used });
  const tenants = {
    tenant: (name: string) => ({ key: keys.tenant(name), quota: PLENTY, trusts: [] }),
  };
  const models = new Models({ profile: () => PROFILE }, digests);
  const scheduler = systemClock;
  const shared = { catalog, keys, digests, tenants, models, nowMs, scheduler };
  const sessions = new SessionDesk({ ...shared, quotaRefused: () => undefined });
  const desk = new TurnDesk({
    ...shared,
    hurried: hurriedIn(shared),
    places: new Places({
      places: [{ location, fileNames: "random", headroomBytes: 0, labels: {}, engines: true }],
      tiers: ["disk"],
      random: systemRandom,
      newName,
    }),
    verifier: believing,
    checker: new SegmentChecker({ catalog, verifier: believing }),
    copies: { tierOf: () => "disk", load: () => 0 },
    gate: { pass: async () => undefined, open: () => undefined },
    newTurn: newName,
    newName,
    crc32,
    read: () => undefined,
    pressed: () => undefined,
    isLost: () => false,
    policy: {
      turnMs: 900_000,
      settleMs: 60_000,
      reservationTokens: 2 ** 18,
      cutAtPrompt: true,
      minTokens: 0,
      whenBusy: "wait",
      waitMs: 1_000,
      waitingLimit: 1_024,
      settlingLimit: 1_024,
      recheck: "changed",
    },
    observer: {
      planned: () => undefined,
      committed: () => undefined,
      aborted: () => undefined,
      settled: () => undefined,
      stored: () => undefined,
      unverified: () => undefined,
    },
  });
  const create = async (id: string) => {
    const session = { tenant: "", id };
    await sessions.create({ session, model: "bench", retention: RETENTION });
    return session;
  };
  return {
    catalog,
    store,
    location,
    desk,
    keys,
    create,
    converse: async (id, ids) => storeTurns(desk, { session: await create(id), ids }),
    close: async () => {
      await desk.close();
      await location.close();
      await catalog.close();
    },
  };
}

async function openLocation(root: string, nowMs: () => number): Promise<Location> {
  const draftId = randomUUID;
  const kept = { profile: LOCATION, naming: "sharded", uriPrefix: "file:///" } as const;
  const opened = await openDirectory({ ...kept, root, isKnown: false, nowMs, draftId });
  if (opened instanceof LocationFault) throw opened;
  return opened;
}

/** Reads nothing: what is measured here is everything else. */
const believing: SegmentVerifier = {
  async verify({ segment, location }: StoredSegment) {
    const stat = await location.stat(segment.file.name);
    if (stat === undefined || stat instanceof LocationFault) {
      return { kind: "dropped", reason: "unverified" };
    }
    return { kind: "durable", crc: 1, stat };
  },
  recheck: async () => {
    throw new Error("a file is not as it was");
  },
  close: async () => undefined,
};

async function storeTurns(
  desk: TurnDesk,
  { session, ids }: { readonly session: SessionKey; readonly ids: Uint32Array },
): Promise<void> {
  const ends = partEnds(ids.length, CONVERSATION);
  for (let turn = 0; turn < CONVERSATION.turns; turn += 1) {
    const [promptEnd = 0, end = 0] = ends.slice(2 * turn);
    const prompt = sequenceOf(ids.subarray(0, promptEnd));
    const maxNewTokens = end - promptEnd;
    const { fresh } = await desk.plan({ session, prompt, maxNewTokens, engine: "bench" });
    if (fresh.kind !== "reserved") throw new Error(`not reserved: ${fresh.reason}`);
    const outcome = await desk.commit({
      turn: fresh.turn,
      prompt,
      output: ids.subarray(promptEnd, end),
      segments: fresh.segments,
      engine: async () => "bench",
    });
    if (outcome.kind !== "accepted") throw new Error(`not accepted: ${outcome.reason}`);
    await outcome.settled;
  }
}
