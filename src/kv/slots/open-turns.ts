import type { SessionKey } from "../records.ts";

/** Sessions with a turn at one server that waits for its slot, sits in it, or is behind it being saved: each has one turn at a time. */
export class OpenTurns {
  /** With the slot, once it sits. */
  readonly #slots = new Map<string, number | undefined>();

  /** False: the session has one already. */
  begin(session: SessionKey): boolean {
    const key = textOf(session);
    if (this.#slots.has(key)) return false;
    this.#slots.set(key, undefined);
    return true;
  }

  sits(session: SessionKey, slot: number): void {
    this.#slots.set(textOf(session), slot);
  }

  /** Undefined: no turn of it sits. */
  slotOf(session: SessionKey): number | undefined {
    return this.#slots.get(textOf(session));
  }

  end(session: SessionKey): void {
    this.#slots.delete(textOf(session));
  }
}

/** Neither part has a NUL. */
function textOf({ tenant, id }: SessionKey): string {
  return `${tenant}\0${id}`;
}
