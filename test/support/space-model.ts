/**
 * What is evicted and moved, in a catalog too simple to be wrong: every file is judged anew by whom its segments are listed by and
 * when it was read. It does not say which files go, since several orders may be right; it says what is wrong with those that went.
 */
import { READ_HALF_LIFE_MS } from "../../src/kv/catalog/read-score.ts";
import type { EvictReport } from "../../src/kv/space.ts";
import type { CatalogModel, ModelCopy, ModelSegment } from "./catalog-model.ts";
import type { CopiesModel } from "./copies-model.ts";
import type { ModelFile } from "./disk-model.ts";
import { TOKEN_BYTES } from "./kv-desk.ts";

const PINNED = 1_001;
/** The rounding of a score, and a little. */
const TOLERANCE = 1.001;

export interface Evicted {
  readonly location: string;
  readonly wanted: number;
  readonly priority: number;
  readonly idleBefore: number;
  readonly report: EvictReport;
  /** The copies that are not there any more. */
  readonly lost: readonly ModelCopy[];
}

export class SpaceModel {
  readonly #model: CatalogModel;
  readonly #copies: CopiesModel;

  constructor(model: CatalogModel, copies: CopiesModel) {
    this.#model = model;
    this.#copies = copies;
  }

  usage(location: string) {
    const unwritten = [...this.#model.turns.values()]
      .filter(({ file }) => this.#model.files.get(file)?.location === location)
      .map(({ reservation, unusedBytes }) => {
        return reservation.toBytes - reservation.fromBytes - unusedBytes;
      });
    const files = this.#filesAt(location);
    const beingMade = files.filter(([, file]) => isAwaited(file) && file.isFilled !== true);
    const replicas = files.flatMap(([name]) =>
      this.#copiesIn(name).filter(([, { copies }]) => copies[0] !== name),
    );
    return {
      location,
      bookedBytes: sum(files.map(([, file]) => sizeOf(file))),
      unwrittenBytes: sum(unwritten) + sum(beingMade.map(([, file]) => sizeOf(file))),
      referencedBytes: sum(files.map(([name]) => this.#referenced(name))),
      replicas: replicas.length,
      replicaBytes: sum(replicas.map(([, { length }]) => length * TOKEN_BYTES)),
      idleBytes: this.idleBytes(location),
    };
  }

  idleBytes(location: string): number {
    const idle = this.#filesAt(location).filter(
      ([name, file]) =>
        file.isSealed && !this.#isWritten(name) && this.#referenced(name) === 0 && !isAwaited(file),
    );
    return sum(idle.map(([, file]) => sizeOf(file)));
  }

  compactable(): string[] {
    const found = [...this.#model.files].filter(([name, file]) => {
      const referenced = this.#referenced(name);
      const isLittle = referenced > 0 && 2 * referenced < file.committedTokens * TOKEN_BYTES;
      return file.isSealed && !this.#isWritten(name) && isLittle;
    });
    return found.map(([name]) => name).toSorted();
  }

  /** Takes over what was evicted, and returns what is wrong with it. */
  evicted(evicted: Evicted): string {
    const { location, wanted, priority, idleBefore, report, lost } = evicted;
    const { segments } = this.#model;
    const before = this.#evictable(location, priority);
    const taken = new Set(lost.map(({ file }) => file));
    if ([...taken].some((name) => !before.has(name))) return "took what must be kept";
    const kept = [...before].filter(([name]) => !taken.has(name)).map(([, rank]) => rank);
    const ranks = [...before].filter(([name]) => taken.has(name)).map(([, rank]) => rank);
    if (ranks.some((rank) => kept.some((other) => isAfter(rank, other)))) return "wrong order";
    if (lost.some((copy) => this.#isBelowKept(copy, lost))) return "not leaf first";

    for (const copy of lost) this.#copies.lose(copy);
    for (const name of taken) this.#model.disk.seal(name);
    const whole = [...taken].filter((name) => this.#referenced(name) === 0);
    if (whole.length < taken.size - Number(report.isFull)) return "left half of a file";
    const bytes = this.idleBytes(location) - idleBefore;
    const largest = Math.max(0, ...whole.map((name) => sizeOf(this.#model.files.get(name))));
    if (whole.length > 0 && bytes - largest >= wanted) return "took too much";
    const isShort = bytes < wanted;
    const isMore = this.#evictable(location, priority).size > 0;
    if (isShort && !report.isFull && isMore) return "took too little";
    const gone = lost.filter(({ id }) => !segments.has(id)).length;
    const copies = lost.length - gone;
    const counts = { files: whole.length, segments: gone, copies, bytes, isShort };
    const told = JSON.stringify({ ...report, ...counts }) === JSON.stringify(report);
    return told ? "" : `told ${JSON.stringify(report)} of ${JSON.stringify(counts)}`;
  }

  #evictable(location: string, priority: number): Map<string, Rank> {
    const ranks = this.#filesAt(location)
      .filter(([name]) => !this.#isWritten(name) && this.#referenced(name) > 0)
      .map(([name, file]) => [name, this.#rankOf(name, file)] as const);
    return new Map(ranks.filter(([, rank]) => rank.priority <= priority));
  }

  #rankOf(name: string, file: ModelFile): Rank {
    const { holders, nowMs } = this.#model;
    const inFile = this.#copiesIn(name);
    const worths = inFile.flatMap(([id, { copies }]) =>
      holders.listing(id).map((each) => {
        if (!("priority" in each)) return copies.length > 1 ? 0 : PINNED;
        return each.pinnedUntilMs === 0 || copies.length > 1 ? each.priority : PINNED;
      }),
    );
    const reads = file.readsAtMs.map((atMs) => 2 ** ((atMs - nowMs) / READ_HALF_LIFE_MS));
    return {
      priority: Math.max(...worths),
      hasFirstCopies: inFile.some(([, { copies }]) => copies[0] === name),
      readsPerByte: sum(reads) / sizeOf(file),
    };
  }

  /** Whether something that was kept in its file ends after it. */
  #isBelowKept({ id, file }: ModelCopy, lost: readonly ModelCopy[]): boolean {
    const segment = this.#model.segments.get(id);
    if (segment === undefined) return true;
    return this.#copiesIn(file).some(
      ([other, each]) => !lost.some((copy) => copy.id === other) && endOf(each) > endOf(segment),
    );
  }

  #filesAt(location: string): [string, ModelFile][] {
    return [...this.#model.files].filter(([, file]) => file.location === location);
  }

  #copiesIn(name: string): [string, ModelSegment][] {
    return [...this.#model.segments].filter(
      ([, { isDurable, copies }]) => isDurable && copies.includes(name),
    );
  }

  #referenced(name: string): number {
    return sum(this.#copiesIn(name).map(([, { length }]) => length * TOKEN_BYTES));
  }

  #isWritten(name: string): boolean {
    return [...this.#model.turns.values()].some(({ file }) => file === name);
  }
}

interface Rank {
  readonly priority: number;
  readonly hasFirstCopies: boolean;
  readonly readsPerByte: number;
}

function isAfter(a: Rank, b: Rank): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.hasFirstCopies !== b.hasFirstCopies) return a.hasFirstCopies;
  return a.readsPerByte > b.readsPerByte * TOLERANCE;
}

function isAwaited({ leasedUntilMs, committedTokens }: ModelFile): boolean {
  return leasedUntilMs > 0 && committedTokens === 0;
}

function sizeOf(file: ModelFile | undefined): number {
  return (file?.ranges.at(-1)?.[1] ?? 0) - (file?.unusedBytes ?? 0);
}

function endOf({ start, length }: ModelSegment): number {
  return start + length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
