/**
 * Snapshots in memory, over the files of a server's model: what is kept is the words that were saved, found by the text that they were saved for. A session reads its own, and those of its
 * tenant whose whole text its prompt begins with.
 */
import type { ChainContext } from "../../../src/kv/chain/chain-format.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { Segment, SegmentId, SessionKey } from "../../../src/kv/records.ts";
import type {
  FindRequest,
  FoundSnapshot,
  KeepOutcome,
  KeepRequest,
  SnapshotDesk,
  UnfoundReason,
  UnstagedReason,
} from "../../../src/kv/snapshots/snapshot-desk.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { bytesOf, type StagedFiles, wordsOf } from "./slot-server-model.ts";

export interface KeptSnapshot {
  readonly session: SessionKey;
  /** Its prompts are kept apart by this. */
  readonly context: ChainContext;
  /** Of the prompt that it was saved after. */
  readonly text: string;
  /** That were saved. */
  readonly words: readonly string[];
  readonly segment: Segment;
}

export class SnapshotDeskModel implements SnapshotDesk {
  /** The newest last; one for each session. */
  kept: KeptSnapshot[] = [];
  /** What is answered in place of the next, or done before it. */
  readonly finds: (UnfoundReason | Promise<unknown>)[] = [];
  readonly stages: (UnstagedReason | Promise<unknown>)[] = [];
  readonly keeps: (KeepOutcome | Promise<unknown>)[] = [];
  readonly asked: FindRequest[] = [];
  /** Whether anything is worth a file. */
  isAdmitted = true;
  readonly #files: StagedFiles;
  #names = 0;

  constructor(files: StagedFiles) {
    this.#files = files;
  }

  async find(request: FindRequest): Promise<FoundSnapshot | UnfoundReason> {
    this.asked.push(request);
    const told = this.finds.shift();
    if (typeof told === "string") return told;
    await told;
    const { session } = request;
    const { context } = request.prompt;
    const prompt = wordsOf(new TextDecoder().decode(request.prompt.bytes));
    const found = this.kept.flatMap((snapshot): FoundSnapshot[] => {
      const words = wordsOf(snapshot.text);
      const parting = words.findIndex((word, at) => word !== prompt[at]);
      const commonTokens = parting === -1 ? snapshot.words.length : parting;
      if (snapshot.context.cacheSalt !== context.cacheSalt) return [];
      const isOpen = isOwn(snapshot, session) || (isOfTenant(snapshot, session) && parting === -1);
      return isOpen && commonTokens > 0 ? [{ segment: snapshot.segment, commonTokens }] : [];
    });
    return found.toSorted((a, b) => b.commonTokens - a.commonTokens)[0] ?? "nothing_stored";
  }

  async admits(): Promise<boolean> {
    return this.isAdmitted;
  }

  newStagedName(): StagedName {
    return `s-${++this.#names}.slot` as StagedName;
  }

  async stage({ segment }: FoundSnapshot): Promise<StagedName | UnstagedReason> {
    const told = this.stages.shift();
    if (typeof told === "string") return told;
    await told;
    const snapshot = this.kept.find((each) => each.segment.id === segment.id);
    if (snapshot === undefined) return "unreadable";
    const name = this.newStagedName();
    this.#files.set(name, snapshot.words);
    return name;
  }

  async unstage(_location: string, name: StagedName): Promise<void> {
    this.#files.delete(name);
  }

  async keep(request: KeepRequest): Promise<KeepOutcome> {
    const told = this.keeps.shift();
    const words = this.#files.get(request.name);
    if (told instanceof Promise) await told;
    this.#files.delete(request.name);
    if (told !== undefined && !(told instanceof Promise)) return told;
    if (words === undefined || bytesOf(words.length) !== request.bytes) {
      return { kind: "dropped", reason: "unsound" };
    }
    const { session } = request;
    const { context } = request.prompt;
    const segment = segmentOf(request);
    const text = new TextDecoder().decode(request.prompt.bytes);
    const others = this.kept.filter((snapshot) => !isOwn(snapshot, session));
    this.kept = [...others, { session, context, text, words, segment }];
    return { kind: "kept", segment };
  }

  async close(): Promise<void> {}

  of(session: SessionKey): KeptSnapshot | undefined {
    return this.kept.find((snapshot) => isOwn(snapshot, session));
  }
}

function segmentOf({ session, name, location, tokens, bytes, geometry }: KeepRequest): Segment {
  const id = name as string as SegmentId;
  const file = { location, name: name as string as ObjectName };
  const { tenant } = session;
  return { id, tenant, geometry, bytes, tokenStart: 0, tokenLength: tokens, file } as Segment;
}

function isOwn({ session }: KeptSnapshot, { tenant, id }: SessionKey): boolean {
  return session.tenant === tenant && session.id === id;
}

function isOfTenant({ session }: KeptSnapshot, { tenant }: SessionKey): boolean {
  return session.tenant === tenant;
}
