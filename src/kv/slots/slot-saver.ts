/**
 * Writes what a slot holds to a file of its own, and has it listed for its session. The slot is needed until the server has answered, and a look has shown that nobody else was in it; the
 * file is synced and listed after that, while others may sit there.
 */
import type { Clock } from "../../clock.ts";
import type { SessionKey } from "../records.ts";
import type { SnapshotDesk } from "../snapshots/snapshot-desk.ts";
import type { SnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { StagedName } from "../staging.ts";
import type { SaveOutcome, SlotObserver } from "./slot-observer.ts";
import { SlotFault, type SlotFile, type SlotServer } from "./slot-server.ts";
import { unlessOver } from "./unless-over.ts";
import { isSameSession, type TokenCounts } from "./slot-table.ts";
import type { SlotWatch } from "./slot-watch.ts";

export interface SaverOptions {
  readonly server: Pick<SlotServer, "save" | "geometry" | "location">;
  readonly snapshots: Pick<SnapshotDesk, "newStagedName" | "keep" | "unstage">;
  readonly watch: Pick<SlotWatch, "look">;
  /** A save is not given up before: it would go on all the same, in a slot that others get meanwhile. */
  readonly over: AbortSignal;
  readonly clock: Clock;
  readonly observer: Pick<SlotObserver, "saved" | "failed">;
}

export interface SaveRequest {
  readonly slot: number;
  readonly session: SessionKey;
  readonly prompt: SnapshotPrompt;
  readonly counts: TokenCounts;
  /** Of the session's last turn: the last that was seen in the slot, just now. */
  readonly task: number | undefined;
  /** Until it is aborted, the slot waits for what was saved of it before to be listed. */
  readonly patience: AbortSignal;
}

export type Saved =
  /** `listed`: whether the session has it in the end. Never rejects. */
  | { readonly kind: "saved"; readonly listed: Promise<boolean> }
  /** The slot is as it was. */
  | { readonly kind: "refused" }
  /** What was saved of the slot before is not listed yet; nothing was asked of the server. */
  | { readonly kind: "behind" }
  /** It may be under way still. */
  | { readonly kind: "lost" }
  /** The session's state is not what is in the slot. */
  | { readonly kind: "not_there" };

export class SlotSaver {
  readonly #options: SaverOptions;
  /** The last of each slot, under way or over: so many at most, as none begins while its slot's last one is under way. */
  readonly #listings = new Map<number, Listing>();

  constructor(options: SaverOptions) {
    this.#options = options;
  }

  /** Until nothing of the session is about to be listed. */
  async listed(session: SessionKey): Promise<void> {
    const listings = [...this.#listings.values()];
    const own = listings.filter((listing) => isSameSession(listing.session, session));
    await Promise.all(own.map(({ over }) => over));
  }

  /** Until what was saved of the slot is listed, or not to be. */
  async slotListed(slot: number): Promise<void> {
    await this.#listings.get(slot)?.over;
  }

  async allListed(): Promise<void> {
    await Promise.all([...this.#listings.values()].map(({ over }) => over));
  }

  /** Of a slot that the caller holds. Rejects for a bug only. */
  async save(request: SaveRequest): Promise<Saved> {
    const { snapshots, server, clock, over, observer } = this.#options;
    if (!(await this.#isListed(request))) return { kind: "behind" };
    const fromMs = clock.now();
    const name = snapshots.newStagedName();
    const file = await server.save(request.slot, name, over);
    const elapsedMs = clock.now() - fromMs;
    if (file instanceof SlotFault) {
      const { code } = file;
      observer.failed("save", file);
      observer.saved({ outcome: code, elapsedMs, bytes: 0, tokens: 0 });
      await this.#unstage(name);
      return { kind: code === "lost" ? "lost" : "refused" };
    }
    const saved = { ...file, name, elapsedMs };
    const flaw = await this.#flawOf(request, file);
    if (flaw === undefined) return { kind: "saved", listed: this.#list(request, saved) };
    this.#ended(saved, flaw);
    await this.#unstage(name);
    return { kind: "not_there" };
  }

  /** A location that hangs takes no slot along. */
  async #isListed({ slot, patience }: SaveRequest): Promise<boolean> {
    const listing = this.#listings.get(slot);
    if (listing === undefined || listing.isOver) return true;
    await unlessOver(listing.over, patience);
    return listing.isOver;
  }

  /** Why what was saved is not the session's, or not surely. */
  async #flawOf(
    { slot, counts, task }: SaveRequest,
    { tokens }: SlotFile,
  ): Promise<"miscounted" | "stranger" | undefined> {
    if (!isWithin(tokens, counts)) return "miscounted";
    const look = await this.#options.watch.look(slot);
    return look?.isBusy === false && look.task === task ? undefined : "stranger";
  }

  #list(request: SaveRequest, saved: SavedFile): Promise<boolean> {
    const listed = this.#keep(request, saved);
    const listing: Listing = { session: request.session, over: listed, isOver: false };
    void listed.then(() => (listing.isOver = true));
    this.#listings.set(request.slot, listing);
    return listed;
  }

  async #keep({ session, prompt }: SaveRequest, saved: SavedFile): Promise<boolean> {
    const { snapshots, server, observer } = this.#options;
    const { name, tokens, bytes } = saved;
    const { geometry, location } = server;
    try {
      const file = { location, name, tokens, bytes };
      const outcome = await snapshots.keep({ session, prompt, geometry, ...file });
      this.#ended(saved, outcome.kind === "kept" ? "kept" : outcome.reason);
      return outcome.kind === "kept";
    } catch (reason) {
      observer.failed("keep", reason);
      this.#ended(saved, "failed");
      return false;
    }
  }

  #ended({ elapsedMs, bytes, tokens }: SavedFile, outcome: SaveOutcome): void {
    this.#options.observer.saved({ outcome, elapsedMs, bytes, tokens });
  }

  #unstage(name: StagedName): Promise<void> {
    const { snapshots, server } = this.#options;
    return snapshots.unstage(server.location, name);
  }
}

/** What an engine has in a slot after such an answer: the last token that it said is in none. */
export function isWithin(tokens: number, { promptTokens, outputTokens }: TokenCounts): boolean {
  return tokens >= promptTokens && tokens <= promptTokens + outputTokens;
}

interface SavedFile extends SlotFile {
  readonly name: StagedName;
  readonly elapsedMs: number;
}

interface Listing {
  readonly session: SessionKey;
  readonly over: Promise<unknown>;
  isOver: boolean;
}
