/** How snapshots are booked, kept and found, in a catalog too simple to be wrong: by comparing texts, letter by letter. */
import type { CatalogModel, ModelSegment } from "./catalog-model.ts";
import { tenantOf } from "./catalog-model.ts";
import type { SavedSnapshot } from "./kv-snapshots.ts";

const STEP = 4;

export interface ModelMatch {
  /** Any of these is the best one. */
  readonly segments: readonly string[];
  readonly commonUnits: number;
}

export class SnapshotsModel {
  readonly #model: CatalogModel;

  constructor(model: CatalogModel) {
    this.#model = model;
  }

  open({ name, file, bytes }: SavedSnapshot, deadlineMs: number): string {
    if (this.#model.live(name) === undefined) return "no_session";
    const { nowMs } = this.#model;
    this.#model.files.set(file.name, {
      location: file.location,
      ranges: [[0, bytes]],
      unusedBytes: 0,
      isSealed: true,
      lastEndMs: nowMs,
      leasedUntilMs: deadlineMs,
      committedTokens: 0,
      readsAtMs: [nowMs],
      isSnapshot: true,
    });
    return "opened";
  }

  keep({ name, text, segment, file, tokens }: SavedSnapshot): string {
    const { nowMs, files, segments, holders } = this.#model;
    const session = this.#model.live(name);
    if (session === undefined) return "no_session";
    const booked = files.get(file.name);
    if (booked === undefined || booked.committedTokens > 0 || nowMs >= booked.leasedUntilMs) {
      return "expired";
    }
    Object.assign(booked, { committedTokens: tokens, leasedUntilMs: nowMs });
    const replaced = [...session.listed.keys()].filter((id) => {
      const known = segments.get(id);
      return known?.maker === name || (known?.maker !== undefined && goesOn(text, known.text));
    });
    const made = { turn: "", copies: [file.name], start: 0, length: tokens, isDurable: true };
    segments.set(segment, { ...made, tenant: tenantOf(name), text, maker: name });
    holders.list(session, segment, nowMs);
    for (const id of replaced) holders.drop(session, id);
    return "kept";
  }

  match(name: string, prompt: string): ModelMatch {
    const all = [...this.#model.segments].filter(([, { maker }]) => maker !== undefined);
    const found = all.map(([id, segment]) => ({
      id,
      commonUnits: this.#commonUnits(name, prompt, { id, segment }),
      isListed: this.#isListed(name, id),
      sinceMs: Math.min(
        ...this.#model.holders.listing(id).map(({ listed }) => listed.get(id) ?? 0),
      ),
    }));
    const commonUnits = Math.max(0, ...found.map((each) => each.commonUnits));
    let best = found.filter((each) => each.commonUnits === commonUnits);
    const listed = best.filter(({ isListed }) => isListed);
    if (listed.length > 0) best = listed;
    const newestMs = Math.max(...best.map(({ sinceMs }) => sinceMs));
    const segments = best.filter(({ sinceMs }) => sinceMs === newestMs).map(({ id }) => id);
    return { segments: commonUnits === 0 ? [] : segments, commonUnits };
  }

  #isListed(name: string, id: string): boolean {
    return this.#model.sessions.get(name)?.listed.has(id) === true;
  }

  #commonUnits(
    name: string,
    prompt: string,
    { id, segment: { text } }: { readonly id: string; readonly segment: ModelSegment },
  ): number {
    const { holders, nowMs } = this.#model;
    if (prompt.startsWith(text) && holders.sees(tenantOf(name), id, nowMs)) return text.length;
    if (!this.#isListed(name, id)) return 0;
    let common = 0;
    while (common < Math.min(text.length, prompt.length) && text[common] === prompt[common])
      common++;
    return onGrid(common);
  }
}

function goesOn(text: string, start: string): boolean {
  return start.length <= text.length && text.startsWith(start.slice(0, onGrid(start.length)));
}

function onGrid(units: number): number {
  return units - (units % STEP);
}
