/** What makes room, done to a catalog and to its model. */
import { expect } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { FileRef, SegmentId } from "../../../src/kv/records.ts";
import type { CatalogModel } from "../../support/catalog-model.ts";
import { type KvDesk, STAT } from "../../support/kv-desk.ts";
import { SpaceModel } from "../../support/space-model.ts";
import type { Command } from "./random-commands.ts";

const location = "disk";
const AMPLE = { limits: { capacityBytes: 1e15, freeFloorBytes: 0 }, freeBytes: 1e15 };
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
  readonly #copies: Copy[] = [];

  constructor(model: CatalogModel) {
    this.#model = model;
    this.#space = new SpaceModel(model);
  }

  /** To the end, or in a step or two after a sweep. Answers whether something went, and the same or what is wrong with that. */
  async evict(desk: KvDesk, { pick, few, isSo }: Command): Promise<[boolean, boolean | string]> {
    const { catalog, nowMs } = desk;
    if (!isSo) {
      await desk.sweep();
      this.#model.sweep();
    }
    const idleBefore = this.#space.idleBytes();
    this.#model.expire();
    const wanted = pick % 7 === 0 ? 1e9 : 1 + (pick % 150);
    const priority = PRIORITIES[pick % PRIORITIES.length] ?? 0;
    const limit = isSo ? ALL : few + 1;
    const { locations } = desk;
    const room = { location, bytes: wanted, priority, locations, nowMs, limit };
    const report = await catalog.evict(room);
    const gone: string[] = [];
    for (const id of this.#model.segments.keys()) {
      if ((await catalog.segment(id as SegmentId)) === undefined) gone.push(id);
    }
    const isGone = gone.length > 0;
    const fault = this.#space.evicted({ wanted, priority, idleBefore, report, gone });
    return [isGone, fault === "" ? isGone : fault];
  }

  /** The answers of the catalog and of the model. */
  async openCopy({ catalog, nowMs }: KvDesk, segment: SegmentId): Promise<[string, string]> {
    const from = (await catalog.segment(segment))?.file ?? { location, name: "none" as ObjectName };
    const to = { location, name: `copy-${this.#copies.length}` as ObjectName };
    this.#copies.push({ segment, from, to });
    const deadlineMs = nowMs + 800;
    const newFile = { ...to, ...AMPLE };
    const opened = await catalog.openCopy({ segment, newFile, nowMs, deadlineMs });
    return [opened, this.#space.openCopy(segment, to.name, deadlineMs)];
  }

  /** Into one of the last copies, mostly. */
  async move({ catalog, nowMs }: KvDesk, { pick, few }: Command): Promise<[boolean, boolean]> {
    const copy = this.#copies.at(few === 4 ? pick % Math.max(1, this.#copies.length) : -1 - few);
    if (copy === undefined) return [false, false];
    const { segment, from, to } = copy;
    const moved = await catalog.moveSegment({ ...copy, stat: STAT, nowMs });
    return [moved, this.#space.move(segment, from.name, to.name)];
  }

  async compare(catalog: Catalog): Promise<void> {
    expect(await catalog.locationUsage(location)).toEqual({ location, ...this.#space.usage() });
    const found = await catalog.compactable({ after: undefined, limit: ALL });
    expect(found.map(({ file }) => file.name)).toEqual(this.#space.compactable());
  }
}
