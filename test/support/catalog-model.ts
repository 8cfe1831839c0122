/**
 * A catalog that is too simple to be wrong: everything is in plain maps, every sum is counted anew when it is asked for, and a
 * segment knows the text of its whole prefix, so that no chain and no index is needed. It takes the ids and file names that the
 * real one was given, and says what the real one should have answered.
 */
import type { Reservation } from "../../src/kv/catalog.ts";
import { DiskModel } from "./disk-model.ts";
import { HoldersModel, type ModelSession } from "./holders-model.ts";
import { key, RETENTION, TOKEN_BYTES } from "./kv-desk.ts";

export interface ModelTurn {
  readonly id: string;
  readonly session: string;
  readonly file: string;
  readonly reservation: Reservation;
  /** The tokens that it writes, with those before them. */
  readonly text: string;
  isReported: boolean;
  deadlineMs: number;
  /** Of its reservation, as its report has left it. */
  unusedBytes: number;
}

type NewTurn = Omit<ModelTurn, "id" | "file" | "isReported" | "unusedBytes">;

export interface ModelSegment {
  /** Who is charged. */
  tenant: string;
  readonly turn: string;
  /** Files, that of the first one first. */
  copies: readonly string[];
  readonly start: number;
  length: number;
  isDurable: boolean;
  /** The tokens from 0 to its end, once they are reported; of a snapshot, of which it has two more, the prompt's. */
  text: string;
  /** Of a snapshot: the session that saved it. */
  readonly maker?: string;
}

/** What is read of a segment. */
export interface ModelCopy {
  readonly id: string;
  readonly file: string;
}

/** By name, so that sessions differ in it. A fork has that of its parent. */
export const PRIORITIES: ReadonlyMap<string, number> = new Map([
  ["a", 200],
  ["b", 500],
  ["other/a", 800],
]);

export class CatalogModel {
  nowMs = 1_000_000;
  readonly segments = new Map<string, ModelSegment>();
  readonly holders = new HoldersModel(this.segments);
  readonly sessions = this.holders.sessions;
  readonly turns = new Map<string, ModelTurn>();
  readonly disk = new DiskModel(this.sessions);
  readonly files = this.disk.files;

  create(name: string, as: Retained = retainedAs(name)): string {
    if (this.live(name) !== undefined) return "exists";
    const { id } = key(name);
    const { priority, ttlMs } = as;
    const holder = { kind: "session", tenant: tenantOf(name), id, listed: new Map() } as const;
    const created = { createdAtMs: this.nowMs, expiresAtMs: 0, pinnedUntilMs: 0 };
    const empty = { file: undefined, leasedBy: undefined };
    this.#slide({ ...holder, ...created, ...empty, priority, ttlMs }, name);
    return "created";
  }

  fork(parent: string, child: string): string {
    const from = this.live(parent);
    if (from === undefined) return "no_session";
    if (this.live(child) !== undefined) return "exists";
    this.create(child, from);
    for (const id of from.listed.keys()) this.sessions.get(child)?.listed.set(id, this.nowMs);
    return "created";
  }

  attach(name: string, id: string): string {
    const session = this.live(name);
    if (session === undefined) return "no_session";
    if (!this.holders.sees(session.tenant, id, this.nowMs)) return "no_segment";
    this.holders.list(session, id, this.nowMs);
    this.#slide(session, name);
    return "attached";
  }

  amend(name: string, as: Retained): boolean {
    const session = this.live(name);
    if (session === undefined) return false;
    this.#slide(Object.assign(session, as, { expiresAtMs: 0 }), name);
    return true;
  }

  /** A turn that reads nothing. */
  use(name: string): boolean {
    const session = this.live(name);
    if (session !== undefined) this.#slide(session, name);
    return session !== undefined;
  }

  pin(name: string, untilMs: number): string {
    const session = this.live(name);
    if (session === undefined) return "no_session";
    session.pinnedUntilMs = untilMs > this.nowMs ? untilMs : 0;
    return session.pinnedUntilMs > 0 ? "pinned" : "unpinned";
  }

  end(name: string): boolean {
    const session = this.live(name);
    if (session === undefined) return false;
    this.#end(name, session);
    return true;
  }

  /** What a reservation would meet. A holder past its deadline goes first. */
  whyNotReserved(name: string, whenBusy: "wait" | "branch"): "no_session" | "busy" | undefined {
    const session = this.live(name);
    if (session === undefined) return "no_session";
    const holder = this.turns.get(session.leasedBy ?? "");
    if (holder === undefined) return undefined;
    if (holder.deadlineMs > this.nowMs) return whenBusy === "wait" ? "busy" : undefined;
    this.#abort(holder);
    return undefined;
  }

  /** Takes over what was reserved, if no byte of it was ever handed out before; returns what is wrong with it. */
  reserved(turn: NewTurn, listed: readonly ModelCopy[]): string {
    const { session: name, reservation } = turn;
    const id = reservation.turn;
    const { fromBytes, toBytes } = reservation;
    const session = this.sessions.get(name);
    if (session === undefined) return "no session";
    const isBranch = session.leasedBy !== undefined;
    const expected = isBranch ? undefined : session.file;
    const file = reservation.file.name;
    if (expected !== undefined ? expected !== file : this.files.has(file)) return "wrong file";
    if (!this.files.has(file)) this.disk.open(file, { isSealed: isBranch, nowMs: this.nowMs });
    const fault = this.disk.append(file, [fromBytes, toBytes]);
    if (fault !== "") return fault;

    this.turns.set(id, { ...turn, id, file, isReported: false, unusedBytes: 0 });
    for (const part of reservation.parts) {
      const { tokenStart: start, tokenLength: length } = part;
      const tenant = tenantOf(name);
      const base = { tenant, turn: id, copies: [file], isDurable: false, text: "" };
      this.segments.set(part.segment, { ...base, start, length });
    }
    this.#lease(listed, turn.deadlineMs);
    for (const copy of listed) this.holders.list(session, copy.id, this.nowMs);
    if (!isBranch) Object.assign(session, { file, leasedBy: id });
    this.#slide(session, name);
    return "";
  }

  lease(name: string, copy: ModelCopy, untilMs: number): boolean {
    const session = this.live(name);
    if (session === undefined) return false;
    if (!this.holders.sees(session.tenant, copy.id, this.nowMs)) return false;
    this.#slide(session, name);
    this.#lease([copy], untilMs);
    this.holders.list(session, copy.id, this.nowMs);
    return true;
  }

  report(id: string, text: string, settleByMs: number): string {
    const turn = this.liveTurn(id);
    if (turn === undefined) return "unknown_turn";
    if (turn.isReported) return "already_reported";
    Object.assign(turn, { isReported: true, deadlineMs: settleByMs });
    const session = this.#sessionOf(turn);
    this.#slide(session, turn.session);
    if (session.leasedBy === id) session.leasedBy = undefined;
    for (const [part, segment] of this.#pending(id)) {
      const length = Math.min(segment.length, text.length - segment.start);
      turn.unusedBytes += (segment.length - Math.max(0, length)) * TOKEN_BYTES;
      if (length <= 0) this.segments.delete(part);
      else Object.assign(segment, { length, text: text.slice(0, segment.start + length) });
    }
    const file = this.files.get(turn.file);
    if (file !== undefined) file.unusedBytes += turn.unusedBytes;
    this.closeIfOver(id);
    return "accepted";
  }

  settle(part: string, isGood: boolean): string {
    const segment = this.segments.get(part);
    if (segment === undefined || segment.isDurable || segment.text === "") return "conflict";
    const turn = this.liveTurn(segment.turn);
    if (turn === undefined) return "conflict";
    this.segments.delete(part);
    if (!isGood) this.disk.seal(segment.copies[0] ?? "");
    const outcome = isGood ? this.keep(turn, part, segment) : "dropped";
    this.closeIfOver(turn.id);
    return outcome;
  }

  /** Listed by the turn's session from now on, or an equal one that its tenant has. */
  keep(turn: ModelTurn, id: string, segment: ModelSegment): string {
    const equal = [...this.segments]
      .filter(([, each]) => each.start === segment.start && each.text === segment.text)
      .filter(
        ([other, { maker }]) => maker === undefined && this.holders.isOwn(segment.tenant, other),
      )
      .map(([other]) => other)
      .toSorted()[0];
    if (equal === undefined) this.segments.set(id, { ...segment, isDurable: true });
    const file = this.files.get(segment.copies[0] ?? "");
    if (equal === undefined && file !== undefined) file.committedTokens += segment.length;
    this.holders.list(this.#sessionOf(turn), equal ?? id, this.nowMs);
    return equal === undefined ? "durable" : "duplicate";
  }

  abort(id: string): boolean {
    const turn = this.liveTurn(id);
    if (turn !== undefined) this.#abort(turn);
    return turn !== undefined;
  }

  /** Returns the names of the files that may go. */
  sweep(): string[] {
    for (const turn of this.turns.values()) {
      if (turn.deadlineMs <= this.nowMs) this.#abort(turn);
    }
    this.expire();
    const copies = [...this.segments.values()].flatMap((segment) => segment.copies);
    const used = new Set([...copies, ...[...this.turns.values()].map(({ file }) => file)]);
    return this.disk.unlinkable(used, this.nowMs);
  }

  /** Ends what has expired, and lifts pins that lapsed. Returns how many sessions ended. */
  expire(): number {
    const { size } = this.sessions;
    for (const [name, session] of this.sessions) {
      if (this.live(name) !== undefined && session.pinnedUntilMs <= this.nowMs) {
        session.pinnedUntilMs = 0;
      }
    }
    this.holders.expirePrefixes(this.nowMs);
    return size - this.sessions.size;
  }

  usage(tenant: string): { bytes: number; sessions: number; pins: number } {
    const own = [...this.sessions].filter(([name]) => tenantOf(name) === tenant);
    const tokens = [...this.segments.values()]
      .filter((segment) => segment.tenant === tenant)
      .reduce((sum, { length }) => sum + length, 0);
    const pins = own.filter(([, { pinnedUntilMs }]) => pinnedUntilMs > 0).length;
    const prefixes = [...this.holders.prefixes.values()].filter((each) => each.tenant === tenant);
    const all = pins + prefixes.length;
    return { bytes: tokens * TOKEN_BYTES, sessions: own.length, pins: all };
  }

  refs(id: string): number {
    return this.holders.listing(id).length;
  }

  /** How far a prompt can be covered from 0 by segments that the tenant sees, with at least one token left. */
  coverable(tenant: string, prompt: string): number {
    const reached = new Set([0]);
    const matching = [...this.segments]
      .filter(
        ([id, { text }]) => prompt.startsWith(text) && this.holders.sees(tenant, id, this.nowMs),
      )
      .map(([, each]) => each)
      .filter(({ text, maker }) => text.length < prompt.length && maker === undefined)
      .toSorted((a, b) => a.start - b.start);
    for (const { start, text } of matching) if (reached.has(start)) reached.add(text.length);
    return Math.max(...reached);
  }

  live(name: string): ModelSession | undefined {
    const session = this.sessions.get(name);
    if (session === undefined) return undefined;
    if (this.nowMs < Math.max(session.expiresAtMs, session.pinnedUntilMs)) return session;
    this.#end(name, session);
    return undefined;
  }

  #slide(session: ModelSession, name: string): void {
    const { createdAtMs, ttlMs } = session;
    const untilMs = Math.min(this.nowMs + ttlMs, createdAtMs + RETENTION.maxAgeMs);
    session.expiresAtMs = Math.max(session.expiresAtMs, untilMs);
    this.sessions.set(name, session);
  }

  #end(name: string, session: ModelSession): void {
    for (const turn of this.turns.values()) if (turn.session === name) this.#abort(turn);
    if (session.file !== undefined) this.disk.seal(session.file);
    this.sessions.delete(name);
    for (const id of session.listed.keys()) this.holders.drop(session, id);
  }

  liveTurn(id: string): ModelTurn | undefined {
    const turn = this.turns.get(id);
    if (turn === undefined || this.live(turn.session) === undefined) return undefined;
    if (this.nowMs < turn.deadlineMs) return turn;
    this.#abort(turn);
    return undefined;
  }

  #abort(turn: ModelTurn): void {
    this.disk.seal(turn.file);
    for (const [part] of this.#pending(turn.id)) this.segments.delete(part);
    this.closeIfOver(turn.id);
  }

  closeIfOver(id: string): void {
    const turn = this.turns.get(id);
    if (turn === undefined || this.#pending(id).length > 0) return;
    this.turns.delete(id);
    const session = this.#sessionOf(turn);
    if (session.leasedBy === id) session.leasedBy = undefined;
    const file = this.files.get(turn.file);
    if (file !== undefined) file.lastEndMs = Math.max(file.lastEndMs, this.nowMs);
  }

  #pending(turn: string): [string, ModelSegment][] {
    return [...this.segments].filter(([, each]) => each.turn === turn && !each.isDurable);
  }

  #lease(copies: readonly ModelCopy[], untilMs: number): void {
    const names = new Set(copies.map(({ file }) => file));
    this.disk.lease(names, { nowMs: this.nowMs, untilMs });
  }

  #sessionOf({ session }: ModelTurn): ModelSession {
    const found = this.sessions.get(session);
    if (found === undefined) throw new Error(`turn of ${session}, which is gone`);
    return found;
  }
}

/** Of a session's retention, what differs. */
export type Retained = Pick<ModelSession, "priority" | "ttlMs">;

function retainedAs(name: string): Retained {
  return { priority: PRIORITIES.get(name) ?? 0, ttlMs: RETENTION.ttlMs };
}

export function tenantOf(name: string): string {
  return name.includes("/") ? (name.split("/")[0] ?? "") : "t";
}
