/**
 * Which locations the engine behind an endpoint reads and writes, by labels that the operator gives to both. Nobody looks: an engine
 * that is told of a file it cannot open computes what it should have loaded, and what it should have stored is dropped.
 */

/** Names and values, as endpoints have them. */
export type Labels = Readonly<Record<string, string>>;

/** What a location says of who reaches it. */
export interface Site {
  /** Of the location. */
  readonly id: string;
  /** An endpoint that has all of them, with the same values, reaches it; empty: every one does. */
  readonly labels: Labels;
  /** False: no engine reaches it, whatever its labels. */
  readonly engines: boolean;
}

/** Ids of locations. The same object for the same set, as long as one `Reaches` is asked. */
export type Reach = ReadonlySet<string>;

interface Labelled {
  readonly labels: Labels;
}

export function isReached({ labels, engines }: Site, from: Labelled): boolean {
  return engines && Object.entries(labels).every(([name, value]) => from.labels[name] === value);
}

export function isWithin(locations: ReadonlySet<string>, reach: Reach): boolean {
  return [...locations].every((id) => reach.has(id));
}

/** Reaches of endpoints, each set worked out once. */
export class Reaches {
  readonly #sites: readonly Site[];
  /** By what an endpoint's description keeps from one snapshot of its pool to the next. */
  readonly #byLabels = new WeakMap<Labels, Reach>();
  /** At most one for each set of labels that endpoints have had. */
  readonly #bySpelling = new Map<string, Reach>();

  constructor(sites: readonly Site[]) {
    this.#sites = sites;
  }

  of(endpoint: Labelled): Reach {
    const { labels } = endpoint;
    const known = this.#byLabels.get(labels);
    if (known !== undefined) return known;
    const reach = this.#interned(this.#sites.filter((site) => isReached(site, endpoint)));
    this.#byLabels.set(labels, reach);
    return reach;
  }

  #interned(sites: readonly Site[]): Reach {
    const ids = sites.map(({ id }) => id);
    const spelling = ids.join(" ");
    const reach = this.#bySpelling.get(spelling) ?? new Set(ids);
    this.#bySpelling.set(spelling, reach);
    return reach;
  }
}
