/**
 * Which snapshot serves a prompt where a server can restore it. What would serve it best and lies elsewhere is brought there first, by the same gate as what turns load; then what
 * is there is taken, be it less.
 */
import { AppError } from "../../errors.ts";
import type { Catalog } from "../catalog.ts";
import { atLocation } from "../copies.ts";
import type { LoadRules } from "../model/load-rules.ts";
import type { Gate, Hold, HoldOutcome } from "../readahead/gate.ts";
import type { SnapshotMatch, SnapshotMatchRequest } from "../snapshot-rules.ts";
import type { Hurried } from "../turns/hurried.ts";
import { listedIn } from "../turns/listed.ts";
import type { Places } from "../turns/places.ts";
import type { Tenant, Tenants } from "../turns/tenants.ts";
import type { FindRequest, FoundSnapshot, UnfoundReason } from "./snapshot-desk.ts";
import { indexOf, type SnapshotIndexParts } from "./snapshot-index.ts";

export interface FinderOptions extends SnapshotIndexParts {
  readonly catalog: Pick<Catalog, "session" | "prefixes" | "matchSnapshot" | "lease">;
  readonly tenants: Tenants;
  readonly places: Pick<Places, "all">;
  readonly gate: Pick<Gate, "passFor">;
  readonly hurried: Hurried;
  /** Wall clock. */
  readonly nowMs: () => number;
}

type Wanted = Omit<SnapshotMatchRequest, "locations">;

/** The engine loads what there is, to the token. */
const WHOLE: LoadRules = { pageSize: 1, loadThreshold: 0 };

/** Others may take what was found before it is leased, again and again. */
const FIND_ATTEMPTS = 8;

/** What is found is leased until nobody waits for it any more, and for as long again as reading it through and restoring it may take. */
const LEASE_MS = 120_000;

export class SnapshotFinder {
  readonly #options: FinderOptions;

  constructor(options: FinderOptions) {
    this.#options = options;
  }

  /** Rejects where the catalog does. */
  async find(request: FindRequest): Promise<FoundSnapshot | UnfoundReason> {
    const { catalog, tenants, hurried, nowMs } = this.#options;
    const { session, geometry } = request;
    const tenant = tenants.tenant(session.tenant);
    if (tenant === undefined || (await catalog.session(session)) === undefined) return "no_session";
    const { trusts, key: own } = tenant;
    const prefixes = await catalog.prefixes({ tenant: session.tenant, trusts }, nowMs());
    const { view } = await indexOf(request.prompt, { geometry, own, prefixes }, this.#options);
    const wanted = { session, geometry, prompt: view };
    if ((await this.#bringBest(wanted, request)) === "left") return "client_gone";
    for (let attempt = 1; attempt <= FIND_ATTEMPTS; attempt++) {
      const taken = await hurried(() => this.#take(wanted, request, tenant));
      if (taken !== "stale") return taken;
      if ((await catalog.session(session)) === undefined) return "no_session";
    }
    return "nothing_stored";
  }

  /** When a lease ends for who waits so. */
  leasedUntilMs(hold: Hold | undefined): number {
    const { nowMs, scheduler } = this.#options;
    const waitMs = hold === undefined ? 0 : hold.untilMs - scheduler.now();
    return nowMs() + Math.ceil(Math.max(0, waitMs)) + LEASE_MS;
  }

  /** Waits for as much of it as the prompt has: for more of it than is there already. */
  async bring(
    { segment, commonTokens }: FoundSnapshot,
    { location, hold, reachedTokens = 0 }: Bringing,
  ): Promise<HoldOutcome | undefined> {
    const segments = [{ ...segment, tokenLength: commonTokens }];
    const reach = new Set([location]);
    return this.#options.gate.passFor({ segments, reachedTokens, rules: WHOLE, reach, hold });
  }

  async #bringBest(
    wanted: Wanted,
    { location, hold }: FindRequest,
  ): Promise<HoldOutcome | undefined> {
    const best = await this.#match(wanted, this.#options.places.all());
    if (best === undefined || atLocation(best.segment, location) !== undefined) return undefined;
    const here = await this.#match(wanted, new Set([location]));
    if (here !== undefined && here.commonUnits >= best.commonUnits) return undefined;
    return this.bring(best, { location, hold, reachedTokens: here?.commonTokens });
  }

  /** `stale`: it has gone since, or the session has. Nothing being found is a use of the session as well. */
  async #take(
    wanted: Wanted,
    { location, hold }: FindRequest,
    { key, trusts }: Tenant,
  ): Promise<FoundSnapshot | UnfoundReason | "stale"> {
    const { catalog, digests, places, nowMs } = this.#options;
    const { session } = wanted;
    const match = await this.#match(wanted, new Set([location]));
    const found = match && foundHere(match, location);
    const listed = found === undefined ? [] : listedIn(key, [found.segment], digests);
    const untilMs = this.leasedUntilMs(hold);
    if (!(await catalog.lease({ session, trusts, listed, nowMs: nowMs(), untilMs }))) {
      return "stale";
    }
    if (found !== undefined) return found;
    const elsewhere = await this.#match(wanted, places.all());
    return elsewhere === undefined ? "nothing_stored" : "location_unknown";
  }

  async #match(wanted: Wanted, locations: ReadonlySet<string>): Promise<SnapshotMatch | undefined> {
    return this.#options.catalog.matchSnapshot({ ...wanted, locations });
  }
}

export interface Bringing {
  readonly location: string;
  readonly hold: Hold | undefined;
  /** Of the prompt, that can be restored as it is. */
  readonly reachedTokens?: number | undefined;
}

function foundHere({ segment, commonTokens }: SnapshotMatch, location: string): FoundSnapshot {
  const here = atLocation(segment, location);
  if (here === undefined) throw new AppError("internal", "matched where there is no copy");
  return { segment: here, commonTokens };
}
