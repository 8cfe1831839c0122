/**
 * CONTRACT ONLY. Who sits in which slot of one server. A session that is resident keeps its slot as long as it can; one that is not gets a free slot, or that of the resident whose loss
 * costs least, saved first where its state is newer than its file; what is stored of it is restored there before its turn goes on.
 *
 * Turns wait in one line: a freed slot goes to the one that has waited for longest and can use it. The line and each wait are bounded, and whoever gets no slot goes on without.
 * Nothing here is believed longer than it can be checked: before a turn is told that its session is resident, the server is asked whether somebody else was in the slot.
 */
import type { SessionKey } from "../records.ts";
import type { NoSeatReason, Seat, SeatRequest } from "./seat.ts";

export interface SlotDesk {
  seat(request: SeatRequest): Promise<Seat | NoSeatReason>;
  /** The session is over: its slot is erased once it is free. */
  end(session: SessionKey): void;
  /** Idempotent. Seats nobody any more, saves what is newer than its file within the time given, and waits for what is under way. */
  close(withinMs: number): Promise<void>;
}
