/**
 * Who sits in which slot, and whose slot is the least loss. Pure: it is told what was seen and what was done, and asks nobody.
 *
 * A slot is *held* while a turn sits in it, or while it is saved, restored, erased or looked at; nobody else gets it meanwhile. What is in it is a thing apart: a session is *resident*
 * in at most one slot, where the next of its turns goes, and what nobody is resident in may still hold the KV of somebody who is not to be noticed by others.
 */
import type { SessionKey } from "../records.ts";
import type { SnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { SlotLook } from "./slot-server.ts";

/** A resident that is not used halves in worth with each of these. */
export const HALF_LIFE_MS = 60_000;

/** What can be lost only once it is saved costs that many times what it would cost to load. */
const SAVE_FACTOR = 2;

export interface Resident {
  readonly session: SessionKey;
  readonly scope: Scope;
  /** The slot holds this, or goes along with it as far as a turn came that nobody saw the end of. */
  readonly prompt: SnapshotPrompt;
  /** In the slot: the prompt's, and what was generated. >= 1. */
  readonly tokens: number;
  /** What the engine said of the last answer; undefined: it gave none, and nobody knows what exactly is there. */
  readonly counts: TokenCounts | undefined;
  readonly saving: Saving;
  /** Monotonic. */
  readonly usedAtMs: number;
}

export interface TokenCounts {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/**
 * `due`: newer than its file, and worth one. `tried`: due, and the last attempt failed. `listing`: saved, and about to be listed. `none`: its file is as new, or it is to have none.
 */
export type Saving = "due" | "tried" | "listing" | "none";

declare const scopeBrand: unique symbol;
/** Whose turns may notice, by the time that they take, that something is in a slot: a tenant's, apart by what its requests ask to be kept apart by. */
export type Scope = string & { readonly [scopeBrand]: true };

export function scopeOf({ tenant }: SessionKey, { context }: SnapshotPrompt): Scope {
  return JSON.stringify([tenant, context.extraKey ?? "", context.cacheSalt ?? ""]) as Scope;
}

export type SlotContent =
  /** Nothing since it was erased. */
  | { readonly kind: "nothing" }
  | { readonly kind: "resident"; readonly resident: Resident }
  /** Of this scope, and of no session that counts on it. */
  | { readonly kind: "remains"; readonly scope: Scope }
  /** Anybody's. */
  | { readonly kind: "unknown" };

/** Why a session is not where it was any more. `stranger`: somebody used its slot who was not given it. `cleared`: by its server. `other`: another session was given it. */
export type DisplacedBy = "stranger" | "cleared" | "other";

export interface SlotHome {
  readonly slot: number;
  /** The session, where a turn of it left it; undefined: its first one there is under way. */
  readonly resident: Resident | undefined;
}

interface Slot {
  isHeld: boolean;
  content: SlotContent;
  /** The last that the content is of; another one, and it is not there any more. */
  task: number | undefined;
}

export class SlotTable {
  readonly #slots: readonly Slot[];

  /** Every slot is free, and may hold anything. */
  constructor(slots: number) {
    this.#slots = Array.from({ length: slots }, () => ({
      isHeld: false,
      content: UNKNOWN,
      task: undefined,
    }));
  }

  get residents(): number {
    return this.#slots.filter(({ content }) => content.kind === "resident").length;
  }

  isFree(slot: number): boolean {
    return !this.#at(slot).isHeld;
  }

  content(slot: number): SlotContent {
    return this.#at(slot).content;
  }

  resident(slot: number): Resident | undefined {
    const { content } = this.#at(slot);
    return content.kind === "resident" ? content.resident : undefined;
  }

  /** The slot where it is resident. */
  homeOf(session: SessionKey): number | undefined {
    const home = this.#slots.findIndex(({ content }) => isOf(content, session));
    return home === -1 ? undefined : home;
  }

  /** Where a turn of the session sits, if any does, or where it is resident. */
  home(session: SessionKey, sitting: number | undefined): SlotHome | undefined {
    const slot = sitting ?? this.homeOf(session);
    if (slot === undefined) return undefined;
    return { slot, resident: isOf(this.content(slot), session) ? this.resident(slot) : undefined };
  }

  /** The free slot whose loss costs least; of equal ones the one that was not used for longest. Undefined: none is free. */
  cheapest(nowMs: number): number | undefined {
    let best:
      | { readonly slot: number; readonly loss: number; readonly usedAtMs: number }
      | undefined;
    for (const [slot, { isHeld, content }] of this.#slots.entries()) {
      if (isHeld) continue;
      const resident = content.kind === "resident" ? content.resident : undefined;
      const loss = resident === undefined ? 0 : lossOf(resident, nowMs);
      const usedAtMs = resident?.usedAtMs ?? Number.NEGATIVE_INFINITY;
      const isLess =
        loss === best?.loss ? usedAtMs < best.usedAtMs : loss < (best?.loss ?? Infinity);
      if (best === undefined || isLess) best = { slot, loss, usedAtMs };
    }
    return best?.slot;
  }

  /** Of the free slots whose residents are newer than their files, but for those named, the one that was used last. */
  nextToSave(passed: ReadonlySet<number>): number | undefined {
    let best: { readonly slot: number; readonly usedAtMs: number } | undefined;
    for (const [slot, { isHeld, content }] of this.#slots.entries()) {
      if (isHeld || passed.has(slot) || content.kind !== "resident") continue;
      const { saving, usedAtMs } = content.resident;
      if (!isToSave(saving)) continue;
      if (best === undefined || usedAtMs > best.usedAtMs) best = { slot, usedAtMs };
    }
    return best?.slot;
  }

  /** It has to be free. */
  hold(slot: number): void {
    const at = this.#at(slot);
    if (at.isHeld) throw new Error(`slot ${slot} is held already`);
    at.isHeld = true;
  }

  /** It has to be held. */
  free(slot: number): void {
    const at = this.#at(slot);
    if (!at.isHeld) throw new Error(`slot ${slot} is free already`);
    at.isHeld = false;
  }

  /** What is there now. Where a session was resident elsewhere, it is not any more. */
  put(slot: number, content: SlotContent): void {
    if (content.kind === "resident") {
      const home = this.homeOf(content.resident.session);
      if (home !== undefined && home !== slot) this.forget(home);
    }
    this.#at(slot).content = content;
  }

  /** The resident, as it is but for this. Nothing changes where another has taken its place, or it was used since. */
  amend(slot: number, resident: Resident, saving: Saving): Resident {
    const at = this.#at(slot);
    const amended = { ...resident, saving };
    if (at.content.kind === "resident" && at.content.resident === resident) {
      at.content = { kind: "resident", resident: amended };
    }
    return amended;
  }

  /** What the session has here is not worth a file any more. */
  outdate(session: SessionKey): void {
    const home = this.homeOf(session);
    const resident = home === undefined ? undefined : this.resident(home);
    if (home === undefined || resident === undefined || !isToSave(resident.saving)) return;
    this.amend(home, resident, "none");
  }

  /** Nobody is resident in it, and what was there may be there still. */
  forget(slot: number): void {
    const at = this.#at(slot);
    if (at.content.kind === "resident") {
      at.content = { kind: "remains", scope: at.content.resident.scope };
    }
  }

  /**
   * It was seen like this while nobody was in it who was given it. What cannot be there any more is forgotten; why, if that was a resident. Another number of tokens without another
   * task: somebody else restored something there.
   */
  see(slot: number, { task, tokens }: SlotLook): DisplacedBy | undefined {
    const at = this.#at(slot);
    const home = this.resident(slot);
    if (task !== at.task) {
      at.task = task;
      at.content = UNKNOWN;
      return home === undefined ? undefined : "stranger";
    }
    if (home === undefined || tokens === home.tokens) return undefined;
    if (tokens > 0) at.content = UNKNOWN;
    else this.forget(slot);
    return tokens > 0 ? "stranger" : "cleared";
  }

  /** Of what is there. */
  taskOf(slot: number): number | undefined {
    return this.#at(slot).task;
  }

  /** A turn that was given it was the last in it. */
  ran(slot: number, task: number | undefined, content: SlotContent): void {
    this.#at(slot).task = task;
    this.put(slot, content);
  }

  /** Whether one of this scope would notice nothing that is not its own. */
  isOpenTo(slot: number, scope: Scope): boolean {
    const { content } = this.#at(slot);
    switch (content.kind) {
      case "nothing":
        return true;
      case "resident":
        return content.resident.scope === scope;
      case "remains":
        return content.scope === scope;
      case "unknown":
        return false;
    }
  }

  #at(slot: number): Slot {
    const at = this.#slots[slot];
    if (at === undefined) throw new Error(`slot ${slot} is none of ${this.#slots.length}`);
    return at;
  }
}

const UNKNOWN: SlotContent = { kind: "unknown" };

/** In tokens that are to be computed or loaded again, as far as its session is likely to come back. */
export function lossOf({ tokens, saving, usedAtMs }: Resident, nowMs: number): number {
  const worth = tokens * 2 ** (-Math.max(0, nowMs - usedAtMs) / HALF_LIFE_MS);
  return isToSave(saving) ? worth * SAVE_FACTOR : worth;
}

/** Newer than its file. */
export function isToSave(saving: Saving): boolean {
  return saving === "due" || saving === "tried";
}

export function isSameSession(a: SessionKey, b: SessionKey): boolean {
  return a.id === b.id && a.tenant === b.tenant;
}

function isOf(content: SlotContent, session: SessionKey): boolean {
  return content.kind === "resident" && isSameSession(content.resident.session, session);
}
