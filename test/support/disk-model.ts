/** What was handed out of which file, when it was read, and when it may go: in plain maps, as the catalog's model is. */
import type { ModelSession } from "./holders-model.ts";
import { QUARANTINE_MS } from "./kv-desk.ts";

export interface ModelFile {
  readonly location: string;
  readonly ranges: (readonly [number, number])[];
  /** Below the end of the last range: what reports said is left unused. */
  unusedBytes: number;
  isSealed: boolean;
  lastEndMs: number;
  leasedUntilMs: number;
  /** That ever became durable in it. */
  committedTokens: number;
  /** A copy that was made for a record; absent: none was, or it is no copy. */
  isFilled?: boolean;
  /** Its opening among them. */
  readonly readsAtMs: number[];
  readonly isSnapshot: boolean;
}

interface Opening {
  readonly isSealed: boolean;
  readonly nowMs: number;
}

interface Lease {
  readonly nowMs: number;
  readonly untilMs: number;
}

export class DiskModel {
  readonly files = new Map<string, ModelFile>();
  readonly #sessions: ReadonlyMap<string, ModelSession>;

  constructor(sessions: ReadonlyMap<string, ModelSession>) {
    this.#sessions = sessions;
  }

  open(name: string, { isSealed, nowMs }: Opening): void {
    const times = { lastEndMs: nowMs, leasedUntilMs: 0, readsAtMs: [nowMs] };
    const empty = { location: "disk", ranges: [], unusedBytes: 0, committedTokens: 0 };
    this.files.set(name, { ...empty, ...times, isSealed, isSnapshot: false });
  }

  /** Hands out the bytes of a file that there is; returns what is wrong with them. */
  append(name: string, [fromBytes, toBytes]: readonly [number, number]): string {
    const ranges = this.files.get(name)?.ranges ?? [];
    if (ranges.some(([from, to]) => fromBytes < to && from < toBytes)) return "overlap";
    if (fromBytes !== (ranges.at(-1)?.[1] ?? 0)) return "not at the high-water mark";
    ranges.push([fromBytes, toBytes]);
    return "";
  }

  seal(name: string): void {
    const file = this.files.get(name);
    if (file !== undefined) file.isSealed = true;
    for (const session of this.#sessions.values()) {
      if (session.file === name) session.file = undefined;
    }
  }

  /** A read of each file, however many segments of it are read. */
  lease(names: ReadonlySet<string>, { nowMs, untilMs }: Lease): void {
    for (const name of names) {
      const file = this.files.get(name);
      if (file === undefined) continue;
      file.leasedUntilMs = Math.max(file.leasedUntilMs, untilMs);
      file.readsAtMs.push(nowMs);
    }
  }

  /** The names of the files that may go. `used`: those that something is in, or that somebody writes to. */
  unlinkable(used: ReadonlySet<string>, nowMs: number): string[] {
    const idle = [...this.files].filter(([name, file]) => {
      const { isSealed, lastEndMs, leasedUntilMs, isSnapshot, committedTokens } = file;
      const quarantineMs = isSnapshot && committedTokens > 0 ? 0 : QUARANTINE_MS;
      const sinceMs = Math.max(lastEndMs, leasedUntilMs);
      return isSealed && !used.has(name) && nowMs >= sinceMs + quarantineMs;
    });
    return idle.map(([name]) => name).toSorted();
  }
}
