/** Where a session's next file goes, and what it is called. */
import type { Random } from "../../clock.ts";
import { type Location, type ObjectName, parseObjectName, type Tier } from "../location.ts";
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

const SESSION_NAME = /^[A-Za-z0-9_-]{1,128}$/;

export class Places {
  readonly #byId: ReadonlyMap<string, Place>;
  readonly #ids: ReadonlySet<string>;
  readonly #options: PlacesOptions;

  constructor(options: PlacesOptions) {
    this.#byId = new Map(options.places.map((place) => [place.location.profile.id, place]));
    this.#ids = new Set(this.#byId.keys());
    this.#options = options;
  }

  /** Of the locations. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  location(id: string): Location | undefined {
    return this.#byId.get(id)?.location;
  }

  /** Best first: where the session writes already, then tier by tier, in each by chance with the weights. */
  ranked({ file }: Session): Place[] {
    const { tiers } = this.#options;
    const current = file === undefined ? undefined : this.#byId.get(file.location);
    const others = tiers.flatMap((tier) => this.#shuffled(tier));
    if (current === undefined) return others;
    return [current, ...others.filter((place) => place !== current)];
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
  #shuffled(tier: Tier): Place[] {
    const { places, random } = this.#options;
    return places
      .filter(({ location }) => location.profile.tier === tier)
      .map((place) => ({ place, rank: random() ** (1 / place.location.profile.weight) }))
      .toSorted((a, b) => b.rank - a.rank)
      .map(({ place }) => place);
  }
}
