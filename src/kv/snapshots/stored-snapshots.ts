/**
 * The desk of snapshots over a catalog and its locations. Few files are read through at once, of each location by itself: what is slow in one place delays nobody elsewhere.
 */
import type { Catalog } from "../catalog.ts";
import { CatalogFault } from "../catalog-fault.ts";
import { Turnstile } from "../turnstile.ts";
import type { Hold } from "../readahead/gate.ts";
import type { SessionKey } from "../records.ts";
import type { StagedName } from "../staging.ts";
import type { Places } from "../turns/places.ts";
import { UnderWay } from "../turns/under-way.ts";
import type {
  AdmitRequest,
  FindRequest,
  FoundSnapshot,
  KeepOutcome,
  KeepRequest,
  SnapshotDesk,
  UnfoundReason,
  UnstagedReason,
} from "./snapshot-desk.ts";
import { SnapshotAdmission, type SnapshotAdmissionOptions } from "./snapshot-admission.ts";
import { type FinderOptions, SnapshotFinder } from "./snapshot-finder.ts";
import { type IntakeOptions, SnapshotIntake } from "./snapshot-intake.ts";
import { type LookRequest, type SnapshotLook, SnapshotOnlooker } from "./snapshot-onlooker.ts";
import { SnapshotStager, type StagerOptions } from "./snapshot-stager.ts";

export interface StoredSnapshotsOptions
  extends FinderOptions, IntakeOptions, SnapshotAdmissionOptions, Omit<StagerOptions, "finder"> {
  readonly catalog: Catalog;
  readonly places: Places;
}

/** Of those that wait, and apart from them of those that nobody waits for: more would only share the disk, and the few threads that Node has for files. */
const AT_ONCE = 2;

export class StoredSnapshots implements SnapshotDesk {
  readonly #options: StoredSnapshotsOptions;
  readonly #finder: SnapshotFinder;
  readonly #onlooker: SnapshotOnlooker;
  readonly #stager: SnapshotStager;
  readonly #intake: SnapshotIntake;
  readonly #admission: SnapshotAdmission;
  /** What is found may be held for its next copy as it was for the first. */
  readonly #holds = new WeakMap<FoundSnapshot, Hold>();
  /** By location. */
  readonly #staging = new Map<string, Turnstile>();
  readonly #keeping = new Map<string, Turnstile>();
  readonly #underWay = new UnderWay();

  constructor(options: StoredSnapshotsOptions) {
    this.#options = options;
    this.#finder = new SnapshotFinder(options);
    this.#onlooker = new SnapshotOnlooker(options);
    this.#stager = new SnapshotStager({ ...options, finder: this.#finder });
    this.#intake = new SnapshotIntake(options);
    this.#admission = new SnapshotAdmission(options);
  }

  async find(request: FindRequest): Promise<FoundSnapshot | UnfoundReason> {
    const found = await this.#underWay.run(() =>
      unlessCatalogFails("catalog_failed" as const, () => this.#finder.find(request)),
    );
    if (typeof found === "object" && request.hold !== undefined) {
      this.#holds.set(found, request.hold);
    }
    return found;
  }

  /** Changes nothing. */
  look(request: LookRequest): Promise<SnapshotLook | "unknown_tenant"> {
    return this.#underWay.run(() => this.#onlooker.look(request));
  }

  /** Where the catalog fails, what is saved is not kept, and that is told. */
  admits(request: AdmitRequest): Promise<boolean> {
    return this.#underWay.run(() =>
      unlessCatalogFails(true, () => this.#admission.admits(request)),
    );
  }

  newStagedName(): StagedName {
    return `${this.#options.newName()}.slot` as StagedName;
  }

  async stage(found: FoundSnapshot, location: string): Promise<StagedName | UnstagedReason> {
    const name = this.newStagedName();
    const hold = this.#holds.get(found);
    const problem = await this.#underWay.run(() =>
      turnstileOf(this.#staging, location).run(() =>
        this.#stager.stage({ found, location, hold, name }),
      ),
    );
    return problem ?? name;
  }

  async unstage(location: string, name: StagedName): Promise<void> {
    const staging = this.#options.places.location(location)?.staging;
    await this.#underWay.run(async () => staging?.remove(name)).catch(() => undefined);
  }

  keep(request: KeepRequest): Promise<KeepOutcome> {
    const failed = { kind: "dropped", reason: "catalog_failed" } as const;
    return this.#underWay.run(() =>
      turnstileOf(this.#keeping, request.location).run(() =>
        unlessCatalogFails(failed, () => this.#intake.keep(request)),
      ),
    );
  }

  /** For a turn that needs nothing of what is stored. False if there is no such session. */
  async use({ tenant, id }: SessionKey): Promise<boolean> {
    const { catalog, nowMs } = this.#options;
    const now = nowMs();
    const lease = { session: { tenant, id }, trusts: [], listed: [], nowMs: now, untilMs: now };
    return this.#underWay.run(() => unlessCatalogFails(true, () => catalog.lease(lease)));
  }

  async close(): Promise<void> {
    await this.#underWay.close();
  }
}

function turnstileOf(turnstiles: Map<string, Turnstile>, location: string): Turnstile {
  const known = turnstiles.get(location) ?? new Turnstile(AT_ONCE);
  turnstiles.set(location, known);
  return known;
}

/** What the catalog could not write is not so; the next one may be. */
async function unlessCatalogFails<T, F>(failed: F, work: () => Promise<T>): Promise<T | F> {
  try {
    return await work();
  } catch (reason) {
    if (reason instanceof CatalogFault) return failed;
    throw reason;
  }
}
