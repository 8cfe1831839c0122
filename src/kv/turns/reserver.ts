/**
 * Takes a byte range for a turn and makes its file as large as that, before any engine hears of it: one that is told of a file which
 * is not there may stop writing anything at all.
 */
import type {
  Catalog,
  ListedSegment,
  NewFile,
  Quota,
  Reservation,
  ReserveOutcome,
} from "../catalog.ts";
import { type Location, LocationFault } from "../location.ts";
import type { EngineInstance, Session, TurnId } from "../records.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { SegmentLayout } from "../model/layout.ts";
import type { Place, Places } from "./places.ts";
import type { AbortReason, UnreservedReason } from "./turn-plan.ts";

export interface ReserverOptions {
  readonly catalog: Catalog;
  readonly places: Places;
  readonly aborted: (reason: AbortReason) => void;
}

export interface FreshRequest {
  /** Never the same again. */
  readonly newTurn: () => TurnId;
  readonly session: Session;
  readonly quota: Quota;
  readonly geometry: GeometryKey;
  readonly layout: SegmentLayout;
  readonly listed: readonly ListedSegment[];
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

  /** Where there is no space, the next place is asked. */
  async reserve(request: FreshRequest): Promise<FreshOutcome> {
    let refused: FreshOutcome = { kind: "none", reason: "no_location", isLeased: false };
    for (const place of this.#options.places.ranked(request.session)) {
      refused = await this.#reserveAt(place, request);
      if (refused.kind !== "none" || refused.reason !== "no_space") return refused;
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
        const fault = await makeRoom(location, reservation);
        if (fault === undefined) return { kind: "reserved", reservation, location };
        await this.#abort(reservation.turn, request.nowMs, fault);
        if (fault.code !== "exists" || attempt === NAME_ATTEMPTS) return unmade(fault, true);
        continue;
      }
      const { reason } = outcome;
      if (reason === "stale_match") return { kind: "stale" };
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
      listed: request.listed,
      tokenStart: request.tokenStart,
      parts: request.parts,
      engine: request.engine,
      whenBusy: request.whenBusy,
      newFile,
      quota,
    });
  }

  async #abort(turn: TurnId, nowMs: number, { code }: LocationFault): Promise<void> {
    await this.#options.catalog.abort({ turn, nowMs });
    this.#options.aborted(`file_${code}`);
  }
}

async function makeRoom(
  location: Location,
  { file, fromBytes, toBytes }: Reservation,
): Promise<LocationFault | undefined> {
  const { name } = file;
  const made =
    fromBytes === 0
      ? await location.reserve(name, toBytes)
      : await location.extend?.(name, fromBytes, toBytes);
  return made instanceof LocationFault ? made : undefined;
}

function unmade({ code }: LocationFault, isLeased: boolean): FreshOutcome {
  return { kind: "none", reason: `file_${code}`, isLeased };
}
