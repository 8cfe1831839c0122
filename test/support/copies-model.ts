/** How copies are booked, recorded and dropped, in a catalog too simple to be wrong. */
import { COPIES_LIMIT } from "../../src/kv/records.ts";
import type { CatalogModel, ModelCopy, ModelSegment } from "./catalog-model.ts";
import { TOKEN_BYTES } from "./kv-desk.ts";

export interface ModelBooking {
  readonly segment: string;
  readonly location: string;
  readonly name: string;
  readonly deadlineMs: number;
}

export interface ModelCut {
  readonly id: string;
  readonly text: string;
  readonly length: number;
  readonly file: string;
}

export class CopiesModel {
  readonly #model: CatalogModel;

  constructor(model: CatalogModel) {
    this.#model = model;
  }

  open({ segment, location, name, deadlineMs }: ModelBooking): string {
    const known = this.#durable(segment);
    if (known === undefined) return "gone";
    this.#book(known, { location, name, deadlineMs });
    return "opened";
  }

  /** For so many of the tokens that an engine has reported. */
  openCut({ segment, location, name, deadlineMs }: ModelBooking, length: number): string {
    const known = this.#model.segments.get(segment);
    if (known === undefined || known.isDurable || known.text === "") return "gone";
    this.#book({ ...known, length }, { location, name, deadlineMs });
    return "opened";
  }

  /** Each with the tokens from 0 to its end, in a copy that was opened for it. */
  settleCut(id: string, parts: readonly ModelCut[]): readonly string[] | undefined {
    const { segments, disk, files, nowMs } = this.#model;
    const whole = segments.get(id);
    if (whole === undefined || whole.isDurable || whole.text === "") return undefined;
    const turn = this.#model.liveTurn(whole.turn);
    if (turn === undefined) return undefined;
    const cut = parts.map(({ id: part, text, length, file }) => {
      const start = text.length - length;
      return { file, id: part, segment: { ...whole, copies: [file], start, length, text } };
    });
    if (!cut.every(({ file, segment }) => this.#isBooked(segment, file))) return undefined;
    disk.seal(turn.file);
    segments.delete(id);
    const outcomes = cut.map(({ file, id: part, segment }) => {
      const copy = files.get(file);
      if (copy !== undefined) Object.assign(copy, { leasedUntilMs: nowMs, isFilled: true });
      return this.#model.keep(turn, part, segment);
    });
    this.#model.closeIfOver(turn.id);
    return outcomes;
  }

  #book(
    { length, copies: [like = ""] }: ModelSegment,
    { location, name, deadlineMs }: Omit<ModelBooking, "segment">,
  ): void {
    const { nowMs, files } = this.#model;
    files.set(name, {
      location,
      ranges: [[0, length * TOKEN_BYTES]],
      unusedBytes: 0,
      isSealed: true,
      lastEndMs: nowMs,
      leasedUntilMs: deadlineMs,
      committedTokens: 0,
      readsAtMs: [...(files.get(like)?.readsAtMs ?? [])],
      isSnapshot: files.get(like)?.isSnapshot === true,
    });
  }

  move({ id, file: from }: ModelCopy, to: string): boolean {
    const { files, nowMs } = this.#model;
    const segment = this.#durable(id);
    const old = files.get(from);
    if (segment?.copies.includes(from) !== true || old === undefined) return false;
    const others = segment.copies.filter((copy) => copy !== from);
    if (!this.#isBooked(segment, to) || this.#isAtOneOf(to, others)) return false;
    segment.copies = segment.copies.map((copy) => (copy === from ? to : copy));
    this.#fill(segment, to);
    old.leasedUntilMs = Math.max(old.leasedUntilMs, nowMs);
    return true;
  }

  add({ id, file: to }: ModelCopy): boolean {
    const segment = this.#durable(id);
    if (segment === undefined || segment.copies.length >= COPIES_LIMIT) return false;
    if (!this.#isBooked(segment, to) || this.#isAtOneOf(to, segment.copies)) return false;
    segment.copies = [...segment.copies, to];
    this.#fill(segment, to);
    return true;
  }

  drop({ id, file: name }: ModelCopy): string {
    const segment = this.#durable(id);
    const file = this.#model.files.get(name);
    if (segment?.copies.includes(name) !== true || file === undefined) return "gone";
    if (segment.copies.length === 1) return "last";
    segment.copies = segment.copies.filter((copy) => copy !== name);
    file.leasedUntilMs = Math.max(file.leasedUntilMs, this.#model.nowMs);
    return "dropped";
  }

  condemn({ id, file }: ModelCopy): boolean {
    if (this.#durable(id)?.copies.includes(file) !== true) return false;
    this.#model.disk.seal(file);
    this.lose({ id, file });
    return true;
  }

  /** With its last copy a segment goes. */
  lose({ id, file }: ModelCopy): void {
    const { segments, holders } = this.#model;
    const segment = segments.get(id);
    if (segment === undefined) return;
    segment.copies = segment.copies.filter((copy) => copy !== file);
    if (segment.copies.length > 0) return;
    for (const { listed } of holders.listing(id)) listed.delete(id);
    segments.delete(id);
  }

  #durable(id: string): ModelSegment | undefined {
    const segment = this.#model.segments.get(id);
    return segment?.isDurable === true ? segment : undefined;
  }

  #isBooked({ length }: ModelSegment, name: string): boolean {
    const { files, nowMs } = this.#model;
    const copy = files.get(name);
    if (copy === undefined || nowMs >= copy.leasedUntilMs) return false;
    return copy.committedTokens === 0 && copy.ranges.at(-1)?.[1] === length * TOKEN_BYTES;
  }

  #isAtOneOf(name: string, copies: readonly string[]): boolean {
    const { files } = this.#model;
    return copies.some((copy) => files.get(copy)?.location === files.get(name)?.location);
  }

  #fill({ length }: ModelSegment, name: string): void {
    const copy = this.#model.files.get(name);
    if (copy === undefined) return;
    copy.committedTokens = length;
    copy.leasedUntilMs = this.#model.nowMs;
  }
}
