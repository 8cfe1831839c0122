/** What engines wrote without knowing its tokens, cut into parts: done to a catalog and to its model. */
import type { ObjectName } from "../../../src/kv/location.ts";
import { type SegmentId, segmentId, type TurnId } from "../../../src/kv/records.ts";
import { type CatalogModel, tenantOf } from "../../support/catalog-model.ts";
import { CopiesModel } from "../../support/copies-model.ts";
import { type KvDesk, STAT, TOKEN_BYTES } from "../../support/kv-desk.ts";
import { chainOf, placeOf } from "../../support/kv-texts.ts";
import type { Command } from "./random-commands.ts";

const LOCATIONS = ["disk", "other"];
const AMPLE = { limits: { capacityBytes: 1e15, freeFloorBytes: 0 }, freeBytes: 1e15 };
const NONE = "none" as SegmentId;

interface Cut {
  readonly id: SegmentId;
  readonly text: string;
  readonly length: number;
  readonly location: string;
  readonly file: string;
}

export class CutSteps {
  readonly #model: CatalogModel;
  readonly #copies: CopiesModel;
  #made = 0;

  constructor(model: CatalogModel) {
    this.#model = model;
    this.#copies = new CopiesModel(model);
  }

  /** Into one part or two, of all of it or less. Now and then copies are made and never listed, or listed too late. */
  async cut(desk: KvDesk, turn: TurnId, command: Command): Promise<[string, string]> {
    const { pick, isSo } = command;
    const known = this.#model.turns.get(turn);
    const [part, ...others] = known?.reservation.parts ?? [];
    const segment = part === undefined || others.length > 0 ? NONE : part.segment;
    const cuts = this.#cutsOf(segment, turn, command);
    const opened = await this.#open(desk, segment, cuts);
    if (opened[0] !== opened[1] || (!isSo && pick % 3 === 0)) return opened;
    if (pick % 7 === 0) desk.nowMs = this.#model.nowMs += 800;
    const tenant = tenantOf(known?.session ?? "");
    const parts = cuts.map(({ text, length, location, file }) => ({
      tokenLength: length,
      chain: chainOf(text, text.length - length),
      place: placeOf(tenant, text),
      crc: 7,
      file: { location, name: file as ObjectName },
      stat: STAT,
    }));
    const { nowMs, locations } = desk;
    const settled = await desk.catalog.settleCut({ segment, nowMs, parts, locations });
    for (const { id, text } of settled === undefined ? [] : cuts) {
      desk.places.set(id, (namespace) => placeOf(namespace, text));
    }
    const expected = this.#copies.settleCut(segment, cuts);
    const kinds = settled?.map(({ outcome }) => outcome.kind);
    return [kinds?.join("+") ?? "conflict", expected?.join("+") ?? "conflict"];
  }

  #cutsOf(segment: SegmentId, turn: TurnId, { pick, few }: Command): readonly Cut[] {
    const whole = this.#model.segments.get(segment);
    const { start, length, text } = whole?.text ? whole : { start: 0, length: 4, text: "xxxx" };
    const first = pick % 2 === 0 ? length : 1 + (pick % length);
    const lengths = [first, Math.min(few, length - first)].filter((each) => each > 0);
    return lengths.map((each, at) => ({
      id: segmentId(turn, at),
      text: text.slice(0, start + first + (at === 0 ? 0 : each)),
      length: each,
      location: LOCATIONS[(pick + at) % LOCATIONS.length] ?? "disk",
      file: `cut-${this.#made++}`,
    }));
  }

  async #open(
    { catalog, nowMs }: KvDesk,
    segment: SegmentId,
    cuts: readonly Cut[],
  ): Promise<[string, string]> {
    const outcomes: [string[], string[]] = [[], []];
    for (const { location, file, length } of cuts) {
      const name = file as ObjectName;
      const deadlineMs = nowMs + 800;
      const newFile = { location, name, ...AMPLE };
      const bytes = length * TOKEN_BYTES;
      outcomes[0].push(await catalog.openCut({ segment, bytes, newFile, nowMs, deadlineMs }));
      outcomes[1].push(this.#copies.openCut({ segment, location, name, deadlineMs }, length));
    }
    return [outcomes[0].join("+"), outcomes[1].join("+")];
  }
}
