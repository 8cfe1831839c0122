/**
 * Takes in what a server saved: read through and synced, booked, made an object by another name, and listed for its session. Killed between any two of these, it leaves a staged file, or an object that is
 * booked and kept by nobody: both are swept.
 */
import { AppError } from "../../errors.ts";
import type { Catalog } from "../catalog.ts";
import {
  type Location,
  LocationFault,
  type ObjectName,
  type ObjectStat,
  roomIn,
} from "../location.ts";
import { segmentId, type Session, type TurnId } from "../records.ts";
import type { NewObject } from "../space.ts";
import type { Staged, Staging } from "../staging.ts";
import type { Places } from "../turns/places.ts";
import { askForRoom, type RoomOptions } from "../turns/room.ts";
import type { Tenant, Tenants } from "../turns/tenants.ts";
import type { KeepOutcome, KeepRequest } from "./snapshot-desk.ts";
import { indexOf, type SnapshotIndex, type SnapshotIndexParts } from "./snapshot-index.ts";

export interface IntakeOptions extends SnapshotIndexParts, RoomOptions {
  readonly catalog: Pick<
    Catalog,
    "session" | "segment" | "openSnapshot" | "keepSnapshot" | "unlinked" | "locationUsage"
  >;
  readonly tenants: Tenants;
  readonly places: Pick<Places, "location" | "headroomBytes">;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Random, never the same twice: up to 32 letters, digits, `_` and `-`. */
  readonly newName: () => string;
  /** A segment became durable. Returns at once and does not throw. */
  readonly stored: (segment: KeptSegment["id"]) => void;
}

type Kept = Extract<KeepOutcome, { kind: "kept" }>;
type KeptSegment = Kept["segment"];
type DroppedReason = Extract<KeepOutcome, { kind: "dropped" }>["reason"];

/** From the booking until it is listed, which is one hard link later. */
const KEEP_MS = 600_000;

/** What the server saved is not there, or not what it said. Any other fault is the store's. */
const UNSOUND: ReadonlySet<LocationFault["code"]> = new Set([
  "not_found",
  "not_ours",
  "mismatch",
  "out_of_range",
]);

export class SnapshotIntake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** The staged file is gone afterwards, as far as it can be removed. Rejects where the catalog does. */
  async keep(request: KeepRequest): Promise<KeepOutcome> {
    const location = this.#options.places.location(request.location);
    const staging = location?.staging;
    if (location === undefined || staging === undefined) return dropped("store_failed");
    try {
      return await this.#keep(request, { location, staging });
    } finally {
      await staging.remove(request.name);
    }
  }

  async #keep(request: KeepRequest, shelf: Shelf): Promise<KeepOutcome> {
    const { catalog, tenants } = this.#options;
    const { session: key, name, tokens, bytes, geometry } = request;
    const tenant = tenants.tenant(key.tenant);
    const session = tenant && (await catalog.session(key));
    if (tenant === undefined || session === undefined) return dropped("no_session");
    const staged = await shelf.staging.examine(name);
    if (staged instanceof LocationFault) return dropped(reasonOf(staged));
    if (staged.bytes !== bytes || bytes < 1 || tokens < 1) return dropped("unsound");
    const scope = { geometry, own: tenant.key, prefixes: [] };
    const index = await indexOf(request.prompt, scope, this.#options);
    return this.#book({ request, shelf, tenant, session, staged, index });
  }

  async #book(saved: Saved): Promise<KeepOutcome> {
    const { catalog, nowMs, newName } = this.#options;
    const { request, shelf, tenant, session, staged } = saved;
    const { profile: limits } = shelf.location;
    const freeBytes = await shelf.location.freeBytes();
    if (freeBytes instanceof LocationFault) return dropped("store_failed");
    const name = newName() as ObjectName;
    const newFile: NewObject = { location: limits.id, name, limits, freeBytes };
    const now = nowMs();
    const opened = await catalog.openSnapshot({
      session: request.session,
      bytes: staged.bytes,
      newFile,
      nowMs: now,
      deadlineMs: now + KEEP_MS,
      quota: tenant.quota,
    });
    if (opened === "no_space") {
      const { priority } = session.retention;
      const { bytes } = staged;
      // What was saved is free again when it is dropped.
      const wanted = { location: limits, priority, bytes, freeBytes: freeBytes + bytes };
      await askForRoom(this.#options, wanted);
    }
    return opened === "opened" ? this.#list(saved, newFile) : dropped(opened);
  }

  async #list(saved: Saved, newFile: NewObject): Promise<KeepOutcome> {
    const { catalog, nowMs, newName, stored } = this.#options;
    const { request, shelf, tenant, staged, index } = saved;
    const stat = await shelf.staging.adopt(request.name, newFile.name, staged);
    if (stat instanceof LocationFault) {
      if (stat.code !== "exists") await this.#giveUp(newFile, shelf, () => true);
      return dropped(reasonOf(stat));
    }
    const indexed = index.chain();
    if (indexed === undefined) throw new AppError("internal", "a text has no end");
    const { session, tokens, geometry } = request;
    const { location, name } = newFile;
    const segment = segmentId(newName() as TurnId, 0);
    const outcome = await catalog.keepSnapshot({
      ...indexed,
      segment,
      session,
      file: { location, name },
      stat,
      crc: staged.crc,
      tokens,
      geometry,
      text: index.text,
      nowMs: nowMs(),
      quota: tenant.quota,
    });
    const kept = outcome === "kept" ? await catalog.segment(segment) : undefined;
    if (kept === undefined) {
      if (outcome === "kept") return dropped("no_session"); // it has ended since
      await this.#giveUp(newFile, shelf, ({ identity }) => identity === stat.identity);
      return dropped(outcome);
    }
    stored(segment);
    await this.#watch(saved, newFile);
    return { kind: "kept", segment: kept };
  }

  /** Nobody was told of it, so neither it nor its room need wait for the sweep. What cannot be removed now is swept. */
  async #giveUp(
    file: NewObject,
    { location }: Shelf,
    isIt: (stat: ObjectStat) => boolean,
  ): Promise<void> {
    const removal = await location.removeIf(file.name, isIt);
    if (removal === "removed" || removal === "absent") await this.#options.catalog.unlinked([file]);
  }

  async #watch({ session }: Saved, { location, limits, freeBytes }: NewObject): Promise<void> {
    const { catalog, places, pressed } = this.#options;
    const usage = await catalog.locationUsage(location);
    if (roomIn(limits, { ...usage, freeBytes }) >= places.headroomBytes(location)) return;
    pressed({ location, priority: session.retention.priority, bytes: 0 });
  }
}

interface Shelf {
  readonly location: Location;
  readonly staging: Staging;
}

interface Saved {
  readonly request: KeepRequest;
  readonly shelf: Shelf;
  readonly tenant: Tenant;
  readonly session: Session;
  readonly staged: Staged;
  readonly index: SnapshotIndex;
}

function reasonOf({ code }: LocationFault): DroppedReason {
  return UNSOUND.has(code) ? "unsound" : "store_failed";
}

function dropped(reason: DroppedReason): KeepOutcome {
  return { kind: "dropped", reason };
}
