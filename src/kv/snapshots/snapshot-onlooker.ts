/** Which snapshot would serve a prompt now, seen without taking it: nothing is used, leased or brought anywhere. */
import type { Catalog } from "../catalog.ts";
import { copiesOf } from "../copies.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { Prefix, Segment, SessionKey } from "../records.ts";
import type { SnapshotMatch } from "../snapshot-rules.ts";
import type { Places } from "../turns/places.ts";
import type { Tenants } from "../turns/tenants.ts";
import { indexOf, type SnapshotIndexParts } from "./snapshot-index.ts";
import type { SnapshotPrompt } from "./snapshot-prompt.ts";

export interface SnapshotOnlookerOptions extends SnapshotIndexParts {
  readonly catalog: Pick<Catalog, "prefixes" | "matchSnapshot" | "segments">;
  readonly tenants: Tenants;
  readonly places: Pick<Places, "all">;
  /** Wall clock. */
  readonly nowMs: () => number;
}

export interface LookRequest {
  /** That is there or not. */
  readonly session: SessionKey;
  readonly prompt: SnapshotPrompt;
  /** Of the servers that might restore it, each once. */
  readonly geometries: readonly GeometryKey[];
}

export interface SnapshotLook {
  /** The best for any of the servers, wherever it lies. */
  readonly match: SnapshotMatch | undefined;
  /** Undefined, and the session has one at a location that is not configured. */
  readonly isOutOfReach: boolean;
  /** That are looked at besides the tenant's own namespace. */
  readonly prefixes: readonly Prefix[];
  /** What the session lists. */
  readonly listed: readonly Segment[];
}

export class SnapshotOnlooker {
  readonly #options: SnapshotOnlookerOptions;

  constructor(options: SnapshotOnlookerOptions) {
    this.#options = options;
  }

  /** Rejects where the catalog does. */
  async look(request: LookRequest): Promise<SnapshotLook | "unknown_tenant"> {
    const { catalog, tenants, places, nowMs } = this.#options;
    const { session, prompt, geometries } = request;
    const tenant = tenants.tenant(session.tenant);
    if (tenant === undefined) return "unknown_tenant";
    const { trusts, key: own } = tenant;
    const prefixes = await catalog.prefixes({ tenant: session.tenant, trusts }, nowMs());
    const listed = await catalog.segments(session);
    const everywhere = new Set(listed.flatMap(copiesOf).map(({ location }) => location));
    let match: SnapshotMatch | undefined;
    let isOutOfReach = false;
    for (const geometry of geometries) {
      const { view } = await indexOf(prompt, { geometry, own, prefixes }, this.#options);
      const wanted = { session, geometry, prompt: view };
      const found = await catalog.matchSnapshot({ ...wanted, locations: places.all() });
      if ((found?.commonUnits ?? 0) > (match?.commonUnits ?? 0)) match = found;
      const lost = await catalog.matchSnapshot({ ...wanted, locations: everywhere });
      isOutOfReach ||= lost !== undefined;
    }
    return { match, isOutOfReach: match === undefined && isOutOfReach, prefixes, listed };
  }
}
