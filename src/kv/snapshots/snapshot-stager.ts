/**
 * Gives a snapshot a name under which a server restores it, once all its bytes were read and found whole. One that is damaged is forgotten, and the segment's next copy is
 * brought in its place, for as long as the turn may be held.
 */
import type { Catalog } from "../catalog.ts";
import { CatalogFault } from "../catalog-fault.ts";
import { atLocation } from "../copies.ts";
import { type Location, LocationFault } from "../location.ts";
import type { Hold } from "../readahead/gate.ts";
import { isSameFile, type Segment } from "../records.ts";
import type { StagedName, Staging } from "../staging.ts";
import type { Places } from "../turns/places.ts";
import type { FoundSnapshot, UnstagedReason } from "./snapshot-desk.ts";
import type { SnapshotFinder } from "./snapshot-finder.ts";

export interface StagerOptions {
  readonly catalog: Pick<Catalog, "segment" | "leaseRead" | "condemn">;
  readonly places: Pick<Places, "location">;
  readonly finder: Pick<SnapshotFinder, "bring" | "leasedUntilMs">;
  /** A server is told to read these, each in its copy. Returns at once and does not throw. */
  readonly read: (segments: readonly Segment[]) => void;
}

export interface StageRequest {
  readonly found: FoundSnapshot;
  readonly location: string;
  readonly hold: Hold | undefined;
  /** Never there before. */
  readonly name: StagedName;
}

/** A copy that was made just now was checked as it was made: where that is damaged too, the disk is. */
const COPIES_TRIED = 2;

export class SnapshotStager {
  readonly #options: StagerOptions;

  constructor(options: StagerOptions) {
    this.#options = options;
  }

  async stage(request: StageRequest): Promise<UnstagedReason | undefined> {
    const location = this.#options.places.location(request.location);
    const staging = location?.staging;
    if (location === undefined || staging === undefined) return "unreadable";
    let copy: Segment | undefined = request.found.segment;
    for (let tried = 0; copy !== undefined && tried < COPIES_TRIED; tried++) {
      const problem = await this.#expose(copy, { location, staging, name: request.name });
      if (problem !== "damaged") return problem;
      copy = await this.#next(copy, request);
    }
    return "damaged";
  }

  async #expose(
    copy: Segment,
    { location, staging, name }: Stage,
  ): Promise<UnstagedReason | undefined> {
    const { bytes, crc, file } = copy;
    const fault = await staging.expose(file.name, name, { bytes, crc });
    if (fault === undefined) {
      this.#options.read([copy]);
      return undefined;
    }
    return (await isDamage(fault, copy, location)) ? "damaged" : "unreadable";
  }

  /** Undefined where there is none, or none that came in time. */
  async #next(damaged: Segment, request: StageRequest): Promise<Segment | undefined> {
    const { catalog, finder } = this.#options;
    const { location, hold, found } = request;
    const { id: segment, file } = damaged;
    try {
      await catalog.condemn({ segment, file });
      const known = await catalog.segment(segment);
      if (known === undefined) return undefined;
      if (atLocation(known, location) === undefined) {
        const { commonTokens } = found;
        await finder.bring({ segment: known, commonTokens }, { location, hold });
      }
      const now = await catalog.segment(segment);
      const here = now && atLocation(now, location);
      if (here === undefined || isSameFile(here.file, file)) return undefined;
      const untilMs = finder.leasedUntilMs(hold);
      return await catalog.leaseRead({ segment, file: here.file, untilMs });
    } catch (reason) {
      if (reason instanceof CatalogFault) return undefined;
      throw reason;
    }
  }
}

interface Stage {
  readonly location: Location;
  readonly staging: Staging;
  readonly name: StagedName;
}

/** Looked at again where the fault may be about the staging folder: nothing is condemned for that. */
async function isDamage(
  { code }: LocationFault,
  { file }: Segment,
  location: Location,
): Promise<boolean> {
  if (code === "mismatch" || code === "out_of_range") return true;
  if (code !== "not_found" && code !== "not_ours") return false;
  const stat = await location.stat(file.name);
  return stat === undefined || (stat instanceof LocationFault && stat.code === "not_ours");
}
