/** Where a session's next file goes, and what it is called. */
import type { Random } from "../../clock.ts";
import { type Location, type ObjectName, parseObjectName, type Tier } from "../location.ts";
import { isReached, type Labels, type Reach, type Site } from "../reach.ts";
import type { FileRef, Session } from "../records.ts";

export interface Place {
  readonly location: Location;
  /**
   * `random`: names made here only. `session`: the session's id, as in the engine's own example, for the default tenant and where
   * the id is fit for it; everybody else, and every further file of the session, gets random letters.
   */
  readonly fileNames: "random" | "session";
  /** Who reserves here and leaves less asks for room. */
  readonly headroomBytes: number;
  /** Of the endpoints whose engines reach it; empty: all. */
  readonly labels: Labels;
  /** False: no engine reaches it, so none is ever told of anything here. */
  readonly engines: boolean;
}

export interface PlacesOptions {
  /** At least one, each with its own id. */
  readonly places: readonly Place[];
  /** The order in which tiers are asked; one that is not named takes no new files. */
  readonly tiers: readonly Tier[];
  readonly random: Random;
  /** Unique, up to 32 letters, digits, `_` and `-`. */
  readonly newName: () => string;
}

/** The fastest first. */
const TIERS: readonly Tier[] = ["memory", "disk", "remote"];

const SESSION_NAME = /^[A-Za-z0-9_-]{1,128}$/;

export class Places {
  readonly #byId: ReadonlyMap<string, Place>;
  /** Those that engines reach. */
  readonly #engines: readonly Place[];
  readonly #options: PlacesOptions;

  constructor(options: PlacesOptions) {
    this.#byId = new Map(options.places.map((place) => [place.location.profile.id, place]));
    this.#engines = options.places.filter(({ engines }) => engines);
    this.#options = options;
  }

  location(id: string): Location | undefined {
    return this.#byId.get(id)?.location;
  }

  /** That whoever stores there should leave. */
  headroomBytes(id: string): number {
    return this.#byId.get(id)?.headroomBytes ?? 0;
  }

  /** Ids of what may be listed to who has this reach; undefined: to an engine that reaches all that any does. */
  within(reach: Reach | undefined): Reach {
    const ids = this.#engines.map(({ location }) => location.profile.id);
    return new Set(reach === undefined ? ids : ids.filter((id) => reach.has(id)));
  }

  /** Ids of all, also of those that no engine reaches. */
  all(): Reach {
    return new Set(this.#byId.keys());
  }

  /** Whether who has this reach reads all that there is, and from one tier, or nothing at all. */
  isFlat(reach: Reach | undefined): boolean {
    const reached = this.#inReach(reach);
    const tiers = new Set(reached.map(({ location }) => location.profile.tier));
    return tiers.size === 0 || (tiers.size === 1 && reached.length === this.#byId.size);
  }

  /** Ids of those that every engine reaches. */
  everywhere(): Reach {
    const open = this.#engines.filter(({ labels }) => Object.keys(labels).length === 0);
    return new Set(open.map(({ location }) => location.profile.id));
  }

  /** Those in reach, the fastest tier first, in each by chance with the weights. Undefined: all that engines reach. */
  fastest(reach: Reach | undefined): Place[] {
    const inReach = this.#inReach(reach);
    return TIERS.flatMap((tier) => this.#shuffled(inReach, tier));
  }

  /** Ids of those that everybody reaches who reaches this one: what lies there is as good to all of them as what lies here. */
  asGoodAs(id: string): Reach {
    const from = this.#byId.get(id);
    if (from === undefined) return new Set();
    const equal = this.#engines.map(siteOf).filter((site) => isReached(site, from));
    return new Set(equal.map((site) => site.id));
  }

  /**
   * Those in reach, best first: where the session writes already, then tier by tier, in each by chance with the weights. Undefined:
   * all that engines reach.
   */
  ranked({ file }: Session, reach: Reach | undefined): Place[] {
    const { tiers } = this.#options;
    const inReach = this.#inReach(reach);
    const others = tiers.flatMap((tier) => this.#shuffled(inReach, tier));
    const current = inReach.find(({ location }) => location.profile.id === file?.location);
    if (current === undefined) return others;
    return [current, ...others.filter((place) => place !== current)];
  }

  #inReach(reach: Reach | undefined): readonly Place[] {
    if (reach === undefined) return this.#engines;
    return this.#engines.filter(({ location }) => reach.has(location.profile.id));
  }

  /** `isFirst`: nothing has the session's own name yet. */
  newFile({ location, fileNames }: Place, session: Session, isFirst: boolean): FileRef {
    const id = location.profile.id;
    const named = fileNames === "session" && session.tenant === "" && SESSION_NAME.test(session.id);
    const suffix = this.#options.newName();
    const name = named ? (isFirst ? session.id : `${session.id}.${suffix}`) : suffix;
    return { location: id, name: parseObjectName(name) ?? (suffix as ObjectName) };
  }

  /** A weighted order without repetition: the largest of `random ^ (1 / weight)` first (Efraimidis and Spirakis). */
  #shuffled(places: readonly Place[], tier: Tier): Place[] {
    const { random } = this.#options;
    return places
      .filter(({ location }) => location.profile.tier === tier)
      .map((place) => ({ place, rank: random() ** (1 / place.location.profile.weight) }))
      .toSorted((a, b) => b.rank - a.rank)
      .map(({ place }) => place);
  }
}

function siteOf({ location, labels, engines }: Place): Site {
  return { id: location.profile.id, labels, engines };
}
