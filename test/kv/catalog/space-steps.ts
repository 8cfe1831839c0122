/** What makes room and copies, done to a catalog and to its model. */
import { expect } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { FileRef, SegmentId } from "../../../src/kv/records.ts";
import type { CatalogModel, ModelCopy } from "../../support/catalog-model.ts";
import { CopiesModel } from "../../support/copies-model.ts";
import { type KvDesk, STAT } from "../../support/kv-desk.ts";
import { SpaceModel } from "../../support/space-model.ts";
import type { Command } from "./random-commands.ts";

const LOCATIONS = ["disk", "other", "tmpfs"];
const AMPLE = { limits: { capacityBytes: 1e15, freeFloorBytes: 0 }, freeBytes: 1e15 };
const NO_FILE: FileRef = { location: "disk", name: "none" as ObjectName };
const ALL = 10_000;
const PRIORITIES = [100, 200, 500, 799, 800, 1_000];

interface Copy {
  readonly segment: SegmentId;
  readonly from: FileRef;
  readonly to: FileRef;
}

export class SpaceSteps {
  readonly #model: CatalogModel;
  readonly #space: SpaceModel;
  readonly #copies: CopiesModel;
  readonly #booked: Copy[] = [];

  constructor(model: CatalogModel) {
    this.#model = model;
    this.#copies = new CopiesModel(model);
    this.#space = new SpaceModel(model, this.#copies);
  }

  /** One of its copies, as the catalog knows it. */
  copyOf(segment: SegmentId, pick: number): FileRef {
    const copies = this.#model.segments.get(segment)?.copies ?? [];
    const name = copies[pick % Math.max(1, copies.length)] ?? "none";
    const location = this.#model.files.get(name)?.location ?? "disk";
    return { location, name: name as ObjectName };
  }

  /** To the end, or in a step or two after a sweep. Answers whether something went, and the same or what is wrong with that. */
  async evict(desk: KvDesk, { pick, few, isSo }: Command): Promise<[boolean, boolean | string]> {
    const { catalog, nowMs, locations } = desk;
    if (!isSo) {
      await desk.sweep();
      this.#model.sweep();
    }
    const location = LOCATIONS[few % LOCATIONS.length] ?? "disk";
    const idleBefore = this.#space.idleBytes(location);
    this.#model.expire();
    const wanted = pick % 7 === 0 ? 1e9 : 1 + (pick % 150);
    const priority = PRIORITIES[pick % PRIORITIES.length] ?? 0;
    const limit = isSo ? ALL : few + 1;
    const room = { location, bytes: wanted, priority, locations, nowMs, limit };
    const report = await catalog.evict(room);
    const lost: ModelCopy[] = [];
    for (const [id, { copies }] of this.#model.segments) {
      const left = new Set(await copiesIn(catalog, id));
      lost.push(...copies.filter((file) => !left.has(file)).map((file) => ({ id, file })));
    }
    const isGone = lost.length > 0;
    const evicted = { location, wanted, priority, idleBefore, report, lost };
    const fault = this.#space.evicted(evicted);
    return [isGone, fault === "" ? isGone : fault];
  }

  /** One of its copies, or where it has none. */
  async condemn(
    { catalog }: KvDesk,
    segment: SegmentId,
    { pick, isSo }: Command,
  ): Promise<[boolean, boolean]> {
    const file = isSo ? this.copyOf(segment, pick) : NO_FILE;
    const condemned = await catalog.condemn({ segment, file });
    return [condemned, this.#copies.condemn({ id: segment, file: file.name })];
  }

  /** The answers of the catalog and of the model. */
  async openCopy({ catalog, nowMs }: KvDesk, segment: SegmentId, pick: number) {
    const location = LOCATIONS[pick % LOCATIONS.length] ?? "disk";
    const to = { location, name: `copy-${this.#booked.length}` as ObjectName };
    this.#booked.push({ segment, from: this.copyOf(segment, pick), to });
    const deadlineMs = nowMs + 800;
    const newFile = { ...to, ...AMPLE };
    const opened = await catalog.openCopy({ segment, newFile, nowMs, deadlineMs });
    return [opened, this.#copies.open({ ...to, segment, deadlineMs })] as const;
  }

  /** Into one of the last copies, mostly. */
  async move({ catalog, nowMs }: KvDesk, command: Command): Promise<[boolean, boolean]> {
    const copy = this.#pickBooked(command);
    if (copy === undefined) return [false, false];
    const { segment, from, to } = copy;
    const moved = await catalog.moveSegment({ ...copy, stat: STAT, nowMs });
    return [moved, this.#copies.move({ id: segment, file: from.name }, to.name)];
  }

  async replicate({ catalog, nowMs }: KvDesk, command: Command): Promise<[boolean, boolean]> {
    const copy = this.#pickBooked(command);
    if (copy === undefined) return [false, false];
    const { segment, to } = copy;
    const added = await catalog.addReplica({ segment, to, stat: STAT, nowMs });
    return [added, this.#copies.add({ id: segment, file: to.name })];
  }

  async drop(
    { catalog, nowMs, locations }: KvDesk,
    segment: SegmentId,
    pick: number,
  ): Promise<[string, string]> {
    const file = this.copyOf(segment, pick);
    const dropped = await catalog.dropReplica({ segment, file, locations, nowMs });
    return [dropped, this.#copies.drop({ id: segment, file: file.name })];
  }

  async compare(catalog: Catalog): Promise<void> {
    for (const location of LOCATIONS) {
      expect(await catalog.locationUsage(location)).toEqual(this.#space.usage(location));
    }
    for (const [id, { copies }] of this.#model.segments) {
      expect(await copiesIn(catalog, id)).toEqual(copies);
    }
    const found = await catalog.compactable({ after: undefined, limit: ALL });
    expect(found.map(({ file }) => file.name)).toEqual(this.#space.compactable());
  }

  #pickBooked({ pick, few }: Command): Copy | undefined {
    return this.#booked.at(few === 4 ? pick % Math.max(1, this.#booked.length) : -1 - few);
  }
}

/** Their files, that of the first one first. */
async function copiesIn(catalog: Catalog, id: string): Promise<readonly string[]> {
  const segment = await catalog.segment(id as SegmentId);
  return segment === undefined ? [] : [segment.file, ...segment.replicas].map(({ name }) => name);
}
