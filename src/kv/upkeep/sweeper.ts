/**
 * What time brings about, and then the files that nothing refers to any more. A file is unlinked first and forgotten after, so a
 * crash between the two finds it absent; one that cannot be unlinked goes behind all others that are due.
 */
import type { Clock } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import { isOurs } from "../files.ts";
import { type Location, LocationFault } from "../location.ts";
import type { FileRef } from "../records.ts";
import type { KeeperObserver, UnlinkEnd, UnlinkResult } from "./keeper-observer.ts";

export interface SweeperOptions {
  readonly catalog: Catalog;
  readonly locations: ReadonlyMap<string, Location>;
  readonly clock: Clock;
  readonly observer: Pick<KeeperObserver, "swept" | "unlinked">;
  /** Turns, sessions and files of one transaction. */
  readonly limit: number;
  readonly quarantineMs: number;
  readonly unlinksAtOnce: number;
}

/** Nothing of ours has the name after these. */
const FORGOTTEN: ReadonlySet<UnlinkResult> = new Set(["removed", "absent", "kept", "not_ours"]);

export class Sweeper {
  readonly #options: SweeperOptions;
  #ends: readonly UnlinkEnd[] = [];

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /**
   * One transaction, and what it names. True when there is more that is due, and then what has become of those files is kept in the
   * commit of the next step.
   */
  async step(nowMs: number): Promise<boolean> {
    const { catalog, clock, observer, limit, quarantineMs } = this.#options;
    const startMs = clock.now();
    const kept = this.#keepEnds(nowMs);
    const [report] = await Promise.all([catalog.sweep({ nowMs, limit, quarantineMs }), kept]);
    observer.swept(report, clock.now() - startMs);
    this.#ends = await this.#unlinkAll(report.unlinkable);
    if (!report.isFull) await this.#keepEnds(nowMs);
    return report.isFull;
  }

  async #keepEnds(nowMs: number): Promise<void> {
    const { catalog, quarantineMs } = this.#options;
    const ends = this.#ends;
    this.#ends = [];
    const forgotten = ends.filter(({ result }) => FORGOTTEN.has(result)).map(({ file }) => file);
    const failed = ends.filter(({ result }) => !FORGOTTEN.has(result)).map(({ file }) => file);
    await Promise.all([
      forgotten.length > 0 ? catalog.unlinked(forgotten) : undefined,
      failed.length > 0 ? catalog.postpone({ files: failed, nowMs, quarantineMs }) : undefined,
    ]);
  }

  async #unlinkAll(files: readonly FileRef[]): Promise<UnlinkEnd[]> {
    const left = [...files];
    const ends: UnlinkEnd[] = [];
    const unlinkNext = async (): Promise<void> => {
      for (let file = left.shift(); file !== undefined; file = left.shift()) {
        const end = { file, result: await this.#unlink(file) };
        ends.push(end);
        this.#options.observer.unlinked(end);
      }
    };
    const workers = Math.min(this.#options.unlinksAtOnce, files.length);
    await Promise.all(Array.from({ length: workers }, unlinkNext));
    return ends;
  }

  async #unlink(ref: FileRef): Promise<UnlinkResult> {
    const location = this.#options.locations.get(ref.location);
    if (location === undefined) return "location_unknown";
    const file = await this.#options.catalog.file(ref);
    if (file === undefined) return "absent";
    const removal = await location.removeIf(ref.name, (found) => isOurs(file, found));
    return removal instanceof LocationFault ? removal.code : removal;
  }
}
