/** The catalog over any store: one transaction for each rule. */
import type { Catalog, LeaseRequest } from "../catalog.ts";
import { CatalogFault } from "../catalog-fault.ts";
import { audit, mended, repair } from "./audit.ts";
import { compactable, moveSegment } from "./rules/compact.ts";
import { openCopy } from "./rules/copies.ts";
import { evict } from "./rules/evict.ts";
import { tenantSessions } from "./keys.ts";
import { layered } from "./layer.ts";
import { listedSegments } from "./listed-segments.ts";
import { MemoryStore } from "./memory.ts";
import { Precedence } from "./precedence.ts";
import { ReadNotes } from "./read-notes.ts";
import { attach, detach } from "./rules/attach.ts";
import { openCut, settleCut } from "./rules/cut.ts";
import { pastBroken } from "./rules/due.ts";
import { filesAfter, made, postpone } from "./rules/files.ts";
import { fork, goOnFork } from "./rules/fork.ts";
import { match } from "./rules/match.ts";
import { leaseRead } from "./rules/read-lease.ts";
import {
  createPrefix,
  goOnPrefix,
  knownPrefix,
  ownPrefixes,
  prefixSegments,
  readablePrefixes,
  removePrefix,
  visibleTo,
} from "./rules/prefixes.ts";
import { addReads } from "./rules/reads.ts";
import { addReplica, dropReplica } from "./rules/replicas.ts";
import { report } from "./rules/report.ts";
import { lease, reserve } from "./rules/reserve.ts";
import { keepScrubPosition, nextSegment, scrubPosition } from "./rules/scrub.ts";
import { amend, create, end, pin } from "./rules/sessions.ts";
import { abort, condemn, settle } from "./rules/settle.ts";
import { matchSnapshot } from "./rules/snapshot-match.ts";
import { keepSnapshot, openSnapshot } from "./rules/snapshots.ts";
import { sweep, unlinked } from "./rules/sweep.ts";
import { openSchema, type Schema, SCHEMA_VERSION, UPGRADES } from "./schema.ts";
import { locations, locationUsage, segmentCounts, tenantUsage } from "./sums.ts";
import { files, segmentAt, segments, segmentsIn, sessions, turnAt } from "./tables.ts";
import type { CatalogStore, CatalogTransaction } from "./transaction.ts";

type Rule<T> = (transaction: CatalogTransaction) => T;

/** Segments whose reads are written at the end: a few tenths of a second. */
const READS_AT_CLOSE = 4096;

/** Takes the store over, and closes it if what is in it cannot be used. */
export async function openCatalog(
  store: CatalogStore,
  schema: Schema = { version: SCHEMA_VERSION, upgrades: UPGRADES },
): Promise<Catalog> {
  try {
    await store.write((tx) => openSchema(tx, schema));
  } catch (reason) {
    await store.close();
    throw reason;
  }
  const precedence = new Precedence();
  const write = <T>(rule: Rule<T>): Promise<T> =>
    precedence.request(() => store.write((tx) => layered(tx, rule)));
  const upkeep = <T>(rule: Rule<T>): Promise<T> =>
    precedence.upkeep(() => store.write((tx) => layered(tx, rule)));
  const reads = new ReadNotes();
  const noteReads = ({ listed, nowMs }: Pick<LeaseRequest, "listed" | "nowMs">): void => {
    reads.note(new Set(listed.map(({ segment }) => segment)), nowMs);
  };
  const keepReads = async (limit: number): Promise<void> => {
    const noted = reads.take(limit);
    if (noted.length > 0) await upkeep((tx) => addReads(tx, noted));
  };
  const close = async (): Promise<void> => {
    try {
      await keepReads(READS_AT_CLOSE);
    } catch (reason) {
      if (!(reason instanceof CatalogFault)) throw reason; // they are worth no failure
    } finally {
      await store.close();
    }
  };
  let closing: Promise<void> | undefined;
  return {
    ahead: (work) => precedence.request(work),
    create: (request) => write((tx) => create(tx, request)),
    match: (request) => store.read((view) => match(view, request)),
    async reserve(request) {
      const outcome = await write((tx) => reserve(tx, request));
      if (outcome.kind === "reserved") noteReads(request);
      return outcome;
    },
    async lease(request) {
      const isLeased = await write((tx) => lease(tx, request));
      if (isLeased) noteReads(request);
      return isLeased;
    },
    leaseRead: (request) => write((tx) => leaseRead(tx, request)),
    report: (request) => write((tx) => report(tx, request)),
    settle: (request) => write((tx) => settle(tx, request)),
    openCut: (request) => write((tx) => openCut(tx, request)),
    settleCut: (request) => write((tx) => settleCut(tx, request)),
    openSnapshot: (request) => write((tx) => openSnapshot(tx, request)),
    keepSnapshot: (request) => write((tx) => keepSnapshot(tx, request)),
    matchSnapshot: (request) => store.read((view) => matchSnapshot(view, request)),
    abort: (request) => write((tx) => abort(tx, request)),
    fork: (request) => write((tx) => fork(tx, request)),
    goOnFork: (request) => write((tx) => goOnFork(tx, request)),
    attach: (request) => write((tx) => attach(tx, request)),
    detach: (request) => write((tx) => detach(tx, request)),
    amend: (request) => write((tx) => amend(tx, request)),
    pin: (request) => write((tx) => pin(tx, request)),
    end: (session, nowMs) => write((tx) => end(tx, session, nowMs)),
    createPrefix: (request) => write((tx) => createPrefix(tx, request)),
    goOnPrefix: (request) => write((tx) => goOnPrefix(tx, request)),
    removePrefix: (prefix, nowMs) => write((tx) => removePrefix(tx, prefix, nowMs)),
    condemn: (request) => write((tx) => condemn(tx, request)),
    evict: (request) => upkeep((tx) => evict(tx, request)),
    compactable: (request) => store.read((view) => compactable(view, request)),
    openCopy: (request) => upkeep((tx) => openCopy(tx, request)),
    moveSegment: (request) => upkeep((tx) => moveSegment(tx, request)),
    addReplica: (request) => upkeep((tx) => addReplica(tx, request)),
    dropReplica: (request) => upkeep((tx) => dropReplica(tx, request)),
    nextSegment: (id) => store.read((view) => nextSegment(view, id)),
    scrubPosition: () => store.read(scrubPosition),
    keepScrubPosition: (id) => upkeep((tx) => keepScrubPosition(tx, id)),
    totals: () =>
      store.read((view) => ({
        locations: locations.all(view),
        segments: segmentCounts.all(view),
      })),
    async sweep(request) {
      const report = await pastBroken((broken) => upkeep((tx) => sweep(tx, request, broken)));
      const isPortion = () => reads.size >= request.limit;
      if (!report.isFull || isPortion()) await keepReads(request.limit);
      return { ...report, isFull: report.isFull || isPortion() };
    },
    made: (file, stat) => write((tx) => made(tx, file, stat)),
    postpone: (request) => upkeep((tx) => postpone(tx, request)),
    files: (request) => store.read((view) => filesAfter(view, request)),
    segmentsIn: (file, limit) => store.read((view) => segmentsIn(view, file, limit)),
    unlinked: (refs) => upkeep((tx) => unlinked(tx, refs)),
    session: (key) => store.read((view) => sessions.get(view, key)),
    sessions: ({ tenant, after, limit }) =>
      store.read((view) => sessions.range(view, { ...tenantSessions(tenant, after), limit })),
    segments: (key) => listedSegments(store, key),
    prefix: (key) => store.read((view) => knownPrefix(view, key)),
    prefixes: (reader, nowMs) => store.read((view) => readablePrefixes(view, reader, nowMs)),
    ownPrefixes: (page) => store.read((view) => ownPrefixes(view, page)),
    prefixSegments: (key) => store.read((view) => prefixSegments(view, key)),
    segment: (id) => store.read((view) => segmentAt(view, id)),
    visibleSegment: (reader, id, nowMs) =>
      store.read((view) => (visibleTo(view, reader, nowMs)(id) ? segmentAt(view, id) : undefined)),
    visibleSegments: (reader, ids, nowMs) =>
      store.read((view) => {
        const isVisible = visibleTo(view, reader, nowMs);
        return ids.every(isVisible) ? ids.map((id) => segments.must(view, { id })) : undefined;
      }),
    turn: (id) => store.read((view) => turnAt(view, id)),
    file: (ref) => store.read((view) => files.get(view, ref)),
    tenantUsage: (tenant) => store.read((view) => tenantUsage(view, tenant)),
    locationUsage: (location) => store.read((view) => locationUsage(view, location)),
    audit: () => store.read(audit),
    mendedCopy: (nowMs) => openCatalog(new MemoryStore(store.read((view) => mended(view, nowMs)))),
    repair: (nowMs) => write((tx) => repair(tx, nowMs)),
    close: () => (closing ??= close()),
  };
}
