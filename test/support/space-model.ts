/**
 * What is evicted and moved, in a catalog too simple to be wrong: every file is judged anew by whom its segments are listed by and
 * when it was read. It does not say which files go, since several orders may be right; it says what is wrong with those that went.
 */
import { READ_HALF_LIFE_MS } from "../../src/kv/catalog/read-score.ts";
import type { EvictReport } from "../../src/kv/space.ts";
import type { CatalogModel, ModelSegment } from "./catalog-model.ts";
import type { ModelFile } from "./disk-model.ts";
import { TOKEN_BYTES } from "./kv-desk.ts";

const PINNED = 1_001;
/** The rounding of a score, and a little. */
const TOLERANCE = 1.001;

export interface Evicted {
  readonly wanted: number;
  readonly priority: number;
  readonly idleBefore: number;
  readonly report: EvictReport;
  /** The segments that are not there any more. */
  readonly gone: readonly string[];
}

export class SpaceModel {
  readonly #model: CatalogModel;

  constructor(model: CatalogModel) {
    this.#model = model;
  }

  usage() {
    const { files, turns } = this.#model;
    const unwritten = [...turns.values()].map(({ reservation, unusedBytes }) => {
      return reservation.toBytes - reservation.fromBytes - unusedBytes;
    });
    return {
      bookedBytes: sum([...files.values()].map(sizeOf)),
      unwrittenBytes: sum(unwritten),
      referencedBytes: sum([...files.keys()].map((name) => this.#referenced(name))),
      replicas: 0,
      replicaBytes: 0,
      idleBytes: this.idleBytes(),
    };
  }

  idleBytes(): number {
    const idle = [...this.#model.files].filter(
      ([name, file]) => file.isSealed && !this.#isWritten(name) && this.#referenced(name) === 0,
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

  openCopy(segment: string, name: string, deadlineMs: number): string {
    const known = this.#model.segments.get(segment);
    if (known?.isDurable !== true) return "gone";
    const { nowMs, files } = this.#model;
    files.set(name, {
      ranges: [[0, known.length * TOKEN_BYTES]],
      unusedBytes: 0,
      isSealed: true,
      lastEndMs: nowMs,
      leasedUntilMs: deadlineMs,
      committedTokens: 0,
      readsAtMs: [...(files.get(known.file)?.readsAtMs ?? [])],
    });
    return "opened";
  }

  move(id: string, from: string, to: string): boolean {
    const { segments, files, nowMs } = this.#model;
    const segment = segments.get(id);
    const [old, copy] = [files.get(from), files.get(to)];
    if (segment?.isDurable !== true || segment.file !== from || !old || !copy) return false;
    const isCopy = copy.committedTokens === 0 && sizeOf(copy) === segment.length * TOKEN_BYTES;
    if (!isCopy || nowMs >= copy.leasedUntilMs) return false;
    segment.file = to;
    copy.committedTokens = segment.length;
    old.leasedUntilMs = Math.max(old.leasedUntilMs, nowMs);
    return true;
  }

  /** Takes over what was evicted, and returns what is wrong with it. */
  evicted({ wanted, priority, idleBefore, report, gone }: Evicted): string {
    const { segments, sessions } = this.#model;
    const before = this.#evictable(priority);
    const taken = new Set(gone.map((id) => segments.get(id)?.file ?? "none"));
    if ([...taken].some((name) => !before.has(name))) return "took what must be kept";
    const kept = [...before].filter(([name]) => !taken.has(name)).map(([, rank]) => rank);
    const ranks = [...before].filter(([name]) => taken.has(name)).map(([, rank]) => rank);
    if (ranks.some((rank) => kept.some((other) => isAfter(rank, other)))) return "wrong order";
    if (gone.some((id) => this.#isBelowKept(id, gone))) return "not leaf first";

    for (const id of gone) {
      segments.delete(id);
      for (const { listed } of sessions.values()) listed.delete(id);
    }
    for (const name of taken) this.#model.disk.seal(name);
    const whole = [...taken].filter((name) => this.#referenced(name) === 0);
    if (whole.length < taken.size - Number(report.isFull)) return "left half of a file";
    const bytes = this.idleBytes() - idleBefore;
    const largest = Math.max(0, ...whole.map((name) => sizeOf(this.#model.files.get(name))));
    if (whole.length > 0 && bytes - largest >= wanted) return "took too much";
    const isShort = bytes < wanted;
    if (isShort && !report.isFull && this.#evictable(priority).size > 0) return "took too little";
    const counts = { files: whole.length, segments: gone.length, copies: 0, bytes, isShort };
    const told = JSON.stringify({ ...report, ...counts }) === JSON.stringify(report);
    return told ? "" : `told ${JSON.stringify(report)} of ${JSON.stringify(counts)}`;
  }

  #evictable(priority: number): Map<string, Rank> {
    const ranks = [...this.#model.files]
      .filter(([name]) => !this.#isWritten(name) && this.#referenced(name) > 0)
      .map(([name, file]) => [name, this.#rankOf(name, file)] as const);
    return new Map(ranks.filter(([, rank]) => rank.priority <= priority));
  }

  #rankOf(name: string, file: ModelFile): Rank {
    const { holders, nowMs } = this.#model;
    const inFile = this.#segmentsIn(name).map(([id]) => id);
    const listing = inFile.flatMap((id) => holders.listing(id));
    const worths = listing.map((each) =>
      "priority" in each && each.pinnedUntilMs === 0 ? each.priority : PINNED,
    );
    const reads = file.readsAtMs.map((atMs) => 2 ** ((atMs - nowMs) / READ_HALF_LIFE_MS));
    return { priority: Math.max(...worths), readsPerByte: sum(reads) / sizeOf(file) };
  }

  /** Whether something that was kept in its file ends after it. */
  #isBelowKept(id: string, gone: readonly string[]): boolean {
    const segment = this.#model.segments.get(id);
    if (segment === undefined) return true;
    return this.#segmentsIn(segment.file).some(
      ([other, each]) => !gone.includes(other) && endOf(each) > endOf(segment),
    );
  }

  #segmentsIn(name: string): [string, ModelSegment][] {
    return [...this.#model.segments].filter(([, each]) => each.isDurable && each.file === name);
  }

  #referenced(name: string): number {
    return sum(this.#segmentsIn(name).map(([, { length }]) => length * TOKEN_BYTES));
  }

  #isWritten(name: string): boolean {
    return [...this.#model.turns.values()].some(({ file }) => file === name);
  }
}

interface Rank {
  readonly priority: number;
  readonly readsPerByte: number;
}

function isAfter(a: Rank, b: Rank): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.readsPerByte > b.readsPerByte * TOLERANCE;
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
