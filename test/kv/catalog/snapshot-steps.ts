/** What is saved of slots, done to a catalog and to its model. */
import { expect } from "vitest";

import type { CatalogModel } from "../../support/catalog-model.ts";
import type { KvDesk } from "../../support/kv-desk.ts";
import {
  keepSnapshot,
  matchSnapshot,
  openSnapshot,
  type SavedSnapshot,
} from "../../support/kv-snapshots.ts";
import { SnapshotsModel } from "../../support/snapshots-model.ts";
import type { Command } from "./random-commands.ts";

const KEPT_WITHIN_MS = 700;

export class SnapshotSteps {
  readonly #snapshots: SnapshotsModel;
  readonly #opened: SavedSnapshot[] = [];
  readonly #kept = new Set<string>();

  constructor(model: CatalogModel) {
    this.#snapshots = new SnapshotsModel(model);
  }

  /** The answers of the catalog and of the model. */
  async open(desk: KvDesk, { name, text }: Command): Promise<[string, string]> {
    const deadlineMs = desk.nowMs + KEPT_WITHIN_MS;
    const { saved, outcome } = await openSnapshot(desk, { name, text }, { deadlineMs });
    this.#opened.push(saved);
    return [outcome, this.#snapshots.open(saved, deadlineMs)];
  }

  /** One of the last ones, mostly; once. */
  async keep(desk: KvDesk, { pick, few }: Command): Promise<[string, string]> {
    const left = this.#opened.filter(({ segment }) => !this.#kept.has(segment));
    const count = Math.max(1, left.length);
    const saved = left.at(few === 4 ? pick % count : -1 - (few % Math.min(2, count)));
    if (saved === undefined) return ["none", "none"];
    const outcome = await keepSnapshot(desk, saved);
    if (outcome === "kept") this.#kept.add(saved.segment);
    return [outcome, this.#snapshots.keep(saved)];
  }

  async compare(desk: KvDesk, { name, text }: Command): Promise<void> {
    const match = await matchSnapshot(desk, { name, text });
    const { segments, commonUnits } = this.#snapshots.match(name, text);
    expect(match?.commonUnits ?? 0).toBe(commonUnits);
    if (match === undefined) return;
    expect(segments).toContain(match.segment.id);
    expect(match.segment.snapshot).toBeDefined();
  }
}
