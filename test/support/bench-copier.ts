import type { Location } from "../../src/kv/location.ts";
import { Copier, type CopierOptions } from "../../src/kv/copier.ts";
import type { Segment, SegmentId } from "../../src/kv/records.ts";
import { session, type TurnBench } from "./turn-bench.ts";
import { unhurriedCopies } from "./unhurried-copies.ts";

/** Copies between the locations of a bench, which it tells by their ids. */
export class BenchCopier extends Copier {
  /** What the scrubber was asked to look at. */
  readonly scrubbed: readonly SegmentId[];
  readonly #bench: TurnBench;

  constructor(bench: TurnBench, changes: Partial<CopierOptions> = {}) {
    const scrubbed: SegmentId[] = [];
    let names = 0;
    super({
      catalog: bench.catalog,
      locations: new Map(bench.locations.map((each) => [each.profile.id, each])),
      nowMs: () => bench.clock.now(),
      newName: () => `replica${++names}`,
      scrubSoon: (ids) => scrubbed.push(...ids),
      copyMs: 60_000,
      ...unhurriedCopies(),
      ...changes,
    });
    this.scrubbed = scrubbed;
    this.#bench = bench;
  }

  /** Of the session, in token order. */
  async segment(id: string, at = 0): Promise<Segment> {
    const segment = (await this.#bench.catalog.segments(session(id)))[at];
    if (segment === undefined) throw new Error(`${id} has no segment ${at}`);
    return segment;
  }

  /** All that the session lists, to one more location. */
  async copyAll(id: string, to: string): Promise<readonly string[]> {
    const results: string[] = [];
    for (const segment of await this.#bench.catalog.segments(session(id))) {
      results.push(await this.copy(segment, this.location(to)));
    }
    return results;
  }

  location(id: string): Location {
    const location = this.#bench.location(id);
    if (location === undefined) throw new Error(`there is no location ${id}`);
    return location;
  }
}
