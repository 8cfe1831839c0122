/** The desks of one pool's servers: one for each process, as long as it is there. */
import type { Endpoint, EndpointId } from "../../endpoints/endpoint.ts";
import type { SessionKey } from "../records.ts";
import type { NoSeatReason, Seat, SeatRequest } from "./seat.ts";
import type { SlotDesk } from "./slot-desk.ts";
import type { SlotServer } from "./slot-server.ts";
import type { SlotHome } from "./slot-table.ts";

export interface SlotDesksOptions {
  readonly open: (server: SlotServer) => SlotDesk;
  /** A desk could not be closed. Returns at once and does not throw. */
  readonly failed: (reason: unknown) => void;
}

interface OpenDesk {
  readonly address: string;
  readonly server: SlotServer;
  readonly desk: SlotDesk;
}

export interface ServerHome extends SlotHome {
  readonly address: string;
  readonly server: SlotServer;
}

export class SlotDesks {
  readonly #options: SlotDesksOptions;
  readonly #desks = new Map<EndpointId, OpenDesk>();
  /** Of processes that are gone, and of those that are left. */
  readonly #closing = new Map<SlotDesk, Promise<void>>();

  constructor(options: SlotDesksOptions) {
    this.#options = options;
  }

  /** The same one for the same process. What was known of another process behind the endpoint is forgotten. */
  of({ id, address }: Endpoint, server: SlotServer): SlotDesk {
    const known = this.#desks.get(id);
    if (known?.server === server) return known.desk;
    if (known !== undefined) void this.#close(known, 0);
    const desk = this.#options.open(server);
    this.#desks.set(id, { address, server, desk });
    return desk;
  }

  /** As of the desk of that process. Once the session has a seat, what is in slots of other servers is older than what it is about to have: it is not saved any more, as it would take the place of the newer. */
  async seat(
    endpoint: Endpoint,
    server: SlotServer,
    request: SeatRequest,
  ): Promise<Seat | NoSeatReason> {
    const desk = this.of(endpoint, server);
    const seat = await desk.seat(request);
    if (typeof seat === "string") return seat;
    for (const other of this.#all()) if (other !== desk) other.outdate(request.session);
    return seat;
  }

  /** Of a server that is gone, or no member any more: nobody sits or waits there from now on. What is newer than its file is saved within that time. Never rejects. */
  async leave(server: SlotServer, withinMs: number): Promise<void> {
    for (const [id, open] of this.#desks) {
      if (open.server !== server) continue;
      this.#desks.delete(id);
      await this.#close(open, withinMs);
    }
  }

  /** The session is over: its slots are erased. */
  end(session: SessionKey): void {
    for (const desk of this.#all()) desk.end(session);
  }

  /** Wherever the session sits, as of one desk; processes that are gone since may be among them. */
  homesOf(session: SessionKey): readonly ServerHome[] {
    return Array.from(this.#desks.values()).flatMap(({ address, server, desk }) => {
      const home = desk.homeOf(session);
      return home === undefined ? [] : [{ ...home, address, server }];
    });
  }

  /** Of all desks together. */
  get load(): SlotDesk["load"] {
    const loads = Array.from(this.#desks.values(), ({ desk }) => desk.load);
    const sum = (of: keyof SlotDesk["load"]) => loads.reduce((all, load) => all + load[of], 0);
    return { residents: sum("residents"), waiting: sum("waiting") };
  }

  /** Idempotent. Each saves what is newer than its file, within that time. */
  async close(withinMs: number): Promise<void> {
    for (const open of this.#desks.values()) void this.#close(open, withinMs);
    this.#desks.clear();
    await Promise.all(this.#closing.values());
  }

  /** Also those that are being closed, which still save. */
  #all(): readonly SlotDesk[] {
    return [...Array.from(this.#desks.values(), ({ desk }) => desk), ...this.#closing.keys()];
  }

  #close({ desk }: OpenDesk, withinMs: number): Promise<void> {
    const closing = desk
      .close(withinMs)
      .catch(this.#options.failed)
      .finally(() => this.#closing.delete(desk));
    this.#closing.set(desk, closing);
    return closing;
  }
}
