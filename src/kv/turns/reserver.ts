/**
 * Takes a byte range for a turn and makes its file as large as that, before any engine hears of it: one that is told of a file which
 * is not there may stop writing anything at all.
 */
import { AppError } from "../../errors.ts";
import type { Catalog, NewFile, Reservation, ReserveOutcome, TurnRequest } from "../catalog.ts";
import type { ListedCopy, Quota, Reader } from "../holders.ts";
import { type Location, LocationFault, type ObjectStat, roomIn } from "../location.ts";
import type { EngineInstance, Session, TurnId } from "../records.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { SegmentLayout } from "../model/layout.ts";
import type { Reach } from "../reach.ts";
import type { Place, Places } from "./places.ts";
import { askForRoom, type RoomOptions } from "./room.ts";
import type { AbortReason, UnreservedReason } from "./turn-plan.ts";

export interface ReserverOptions extends RoomOptions {
  readonly catalog: Catalog;
  readonly places: Places;
  readonly aborted: (reason: AbortReason) => void;
  readonly isLost: TurnRequest["isLost"];
}

export interface FreshRequest {
  /** Never the same again. */
  readonly newTurn: () => TurnId;
  readonly session: Session;
  /** Of the engine that is to write; undefined: all that any reaches. */
  readonly reach: Reach | undefined;
  readonly quota: Quota;
  readonly trusts: Reader["trusts"];
  readonly geometry: GeometryKey;
  readonly layout: SegmentLayout;
  readonly listed: readonly ListedCopy[];
  readonly tokenStart: number;
  /** Not empty. */
  readonly parts: readonly number[];
  readonly engine: EngineInstance | undefined;
  readonly whenBusy: "wait" | "branch";
  readonly nowMs: number;
  readonly deadlineMs: number;
}

export type FreshOutcome =
  | { readonly kind: "reserved"; readonly reservation: Reservation; readonly location: Location }
  /** `isLeased`: what the turn reads is held until the deadline all the same. */
  | { readonly kind: "none"; readonly reason: UnreservedReason; readonly isLeased: boolean }
  | { readonly kind: "busy"; readonly turn: TurnId; readonly deadlineMs: number }
  | { readonly kind: "stale" };

/** A session's own name may be taken, by its own earlier file or by somebody else's; a random one is not. */
const NAME_ATTEMPTS = 3;

export class Reserver {
  readonly #options: ReserverOptions;

  constructor(options: ReserverOptions) {
    this.#options = options;
  }

  /** Where there is no space, or the location fails, the next place is asked. */
  async reserve(request: FreshRequest): Promise<FreshOutcome> {
    let refused: FreshOutcome = { kind: "none", reason: "no_location", isLeased: false };
    for (const place of this.#options.places.ranked(request.session, request.reach)) {
      refused = await this.#reserveAt(place, request);
      if (refused.kind !== "none" || !isOfPlace(refused.reason)) return refused;
    }
    return refused;
  }

  async #reserveAt(place: Place, request: FreshRequest): Promise<FreshOutcome> {
    const { location } = place;
    const freeBytes = await location.freeBytes();
    if (freeBytes instanceof LocationFault) return unmade(freeBytes, false);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#take(place, { request, freeBytes, isFirst: attempt === 1 });
      if (outcome.kind === "busy") return outcome;
      if (outcome.kind === "reserved") {
        const { reservation } = outcome;
        const made = await makeRoom(location, reservation);
        if (!(made instanceof LocationFault)) {
          await this.#record(reservation, request, made);
          await this.#watch(place, { request, freeBytes });
          return { kind: "reserved", reservation, location };
        }
        await this.#abort(reservation.turn, request.nowMs, made);
        if (made.code !== "exists" || attempt === NAME_ATTEMPTS) return unmade(made, true);
        continue;
      }
      const { reason } = outcome;
      if (reason === "stale_match") return { kind: "stale" };
      if (reason === "no_space") await this.#askForRoom(place, { request, freeBytes });
      if (reason !== "file_exists") return { kind: "none", reason, isLeased: false };
      if (attempt === NAME_ATTEMPTS) {
        return { kind: "none", reason: "file_exists", isLeased: false };
      }
    }
  }

  async #take(
    place: Place,
    attempt: {
      readonly request: FreshRequest;
      readonly freeBytes: number;
      readonly isFirst: boolean;
    },
  ): Promise<ReserveOutcome> {
    const { request, freeBytes, isFirst } = attempt;
    const { session, layout, quota } = request;
    const { location } = place;
    const newFile: NewFile = {
      ...this.#options.places.newFile(place, session, isFirst),
      canGrow: location.extend !== undefined,
      limits: location.profile,
      freeBytes,
    };
    return this.#options.catalog.reserve({
      turn: request.newTurn(),
      session: { tenant: session.tenant, id: session.id },
      nowMs: request.nowMs,
      deadlineMs: request.deadlineMs,
      geometry: request.geometry,
      tokenBytes: layout.bytesPerToken,
      rankTokenBytes: layout.perRankBytesPerToken,
      trusts: request.trusts,
      listed: request.listed,
      tokenStart: request.tokenStart,
      parts: request.parts,
      engine: request.engine,
      whenBusy: request.whenBusy,
      isLost: this.#options.isLost,
      newFile,
      quota,
    });
  }

  /** Under a name that may be another's, only what is recorded as made here is ever removed. */
  async #record(
    { file }: Reservation,
    { session }: FreshRequest,
    stat: ObjectStat | undefined,
  ): Promise<void> {
    if (stat !== undefined && file.name === session.id)
      await this.#options.catalog.made(file, stat);
  }

  async #watch(
    place: Place,
    { request, freeBytes }: { readonly request: FreshRequest; readonly freeBytes: number },
  ): Promise<void> {
    const { profile } = place.location;
    const usage = await this.#options.catalog.locationUsage(profile.id);
    if (roomIn(profile, { ...usage, freeBytes }) >= place.headroomBytes) return;
    const { priority } = request.session.retention;
    this.#options.pressed({ location: profile.id, priority, bytes: 0 });
  }

  async #askForRoom(
    { location }: Place,
    { request, freeBytes }: { readonly request: FreshRequest; readonly freeBytes: number },
  ): Promise<void> {
    const { priority } = request.session.retention;
    const bytes = reservedBytes(request);
    const wanted = { location: location.profile, priority, bytes, freeBytes };
    await askForRoom(this.#options, wanted);
  }

  async #abort(turn: TurnId, nowMs: number, { code }: LocationFault): Promise<void> {
    await this.#options.catalog.abort({ turn, nowMs });
    this.#options.aborted(`file_${code}`);
  }
}

function isOfPlace(reason: UnreservedReason): boolean {
  return reason === "no_space" || reason.startsWith("file_");
}

/** The stat of a file that was made. */
async function makeRoom(
  location: Location,
  { file, fromBytes, toBytes }: Reservation,
): Promise<ObjectStat | LocationFault | undefined> {
  const { name } = file;
  if (fromBytes === 0) return location.reserve(name, toBytes);
  if (location.extend !== undefined) return location.extend(name, fromBytes, toBytes);
  throw new AppError("internal", "an object was to grow where objects cannot");
}

function reservedBytes({ parts, layout }: FreshRequest): number {
  return parts.reduce((sum, tokens) => sum + tokens, 0) * layout.bytesPerToken;
}

function unmade({ code }: LocationFault, isLeased: boolean): FreshOutcome {
  return { kind: "none", reason: `file_${code}`, isLeased };
}
