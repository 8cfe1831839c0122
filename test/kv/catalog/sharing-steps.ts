/** What sessions and tenants have of each other, done to a catalog and to its model. */
import { expect } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import { type CatalogModel, PRIORITIES, tenantOf } from "../../support/catalog-model.ts";
import { key, type KvDesk, RETENTION } from "../../support/kv-desk.ts";
import { type Command, times } from "./random-commands.ts";

const PREFIXES = ["t/p", "t/q", "other/p"];
const READERS = ["everyone", [], ["other"], ["t"]] as const;
const worths = [...PRIORITIES.values()];

export class SharingSteps {
  readonly #model: CatalogModel;

  constructor(model: CatalogModel) {
    this.#model = model;
  }

  /** The answers of the catalog and of the model. */
  async attach(desk: KvDesk, name: string, id: SegmentId): Promise<[string, string]> {
    const outcome = await desk.attach(name, [id]);
    const kind = outcome.kind === "refused" ? outcome.reason : outcome.kind;
    return [kind, this.#model.attach(name, id)];
  }

  async amend({ catalog, nowMs }: KvDesk, command: Command): Promise<[boolean, boolean]> {
    const { name, pick, isSo } = command;
    const priority = worths[pick % worths.length] ?? 0;
    const ttlMs = isSo ? RETENTION.ttlMs : 300 + pick;
    const retention = { ...RETENTION, priority };
    const amended = await catalog.amend({ session: key(name), retention, ttlMs, nowMs });
    const isAmended = this.#model.amend(name, { priority, ttlMs });
    const expected = this.#model.sessions.get(name)?.expiresAtMs;
    if (amended !== undefined) expect(amended.expiresAtMs).toBe(expected);
    return [amended !== undefined, isAmended];
  }

  /** Of all that a session lists; now and then of something else, or for a tenant that does not see it. */
  async createPrefix(desk: KvDesk, command: Command, other: SegmentId): Promise<[string, string]> {
    const { name: session, pick, few, isSo } = command;
    const own = PREFIXES.filter((each) => tenantOf(each) === tenantOf(session));
    const names = pick % 5 === 0 ? PREFIXES : own;
    const name = names[pick % names.length] ?? "";
    const listed = [...(this.#model.sessions.get(session)?.listed.keys() ?? [])];
    const ids = few === 4 || listed.length === 0 ? [other] : listed;
    const to = READERS[few % READERS.length] ?? [];
    const passMs = 1 + (times[pick % times.length] ?? 0);
    const expiresAtMs = isSo ? desk.nowMs + passMs : undefined;
    const outcome = await desk.createPrefix(name, ids as SegmentId[], { to, expiresAtMs });
    const kind = outcome.kind === "refused" ? outcome.reason : outcome.kind;
    const created = { name, ids, to, expiresAtMs: expiresAtMs ?? Infinity };
    return [kind, this.#model.holders.createPrefix(created, desk.nowMs)];
  }

  async removePrefix({ catalog, nowMs }: KvDesk, { pick }: Command): Promise<[boolean, boolean]> {
    const known = [...this.#model.holders.prefixes.keys()];
    const names = pick % 5 === 0 || known.length === 0 ? PREFIXES : known;
    const name = names[pick % names.length] ?? "";
    const removed = await catalog.removePrefix(prefixKey(name), nowMs);
    return [removed, this.#model.holders.removePrefix(name, nowMs)];
  }

  /** Changes nothing that is listed. */
  trust(desk: KvDesk, { name, isSo }: Command): void {
    const tenant = tenantOf(name);
    const owner = tenant === "t" ? "other" : "t";
    desk.trusts.set(tenant, isSo ? [owner] : []);
    if (isSo) this.#model.holders.mistrusted.delete(`${tenant} ${owner}`);
    else this.#model.holders.mistrusted.add(`${tenant} ${owner}`);
  }

  async compare(desk: KvDesk): Promise<void> {
    const { catalog } = desk;
    for (const name of PREFIXES) {
      const listed = (await catalog.prefixSegments(prefixKey(name))).map(({ id }) => id as string);
      const expected = this.#model.holders.prefixes.get(name)?.listed.keys() ?? [];
      expect(new Set(listed)).toEqual(new Set(expected));
    }
    for (const id of this.#model.segments.keys()) {
      for (const tenant of ["t", "other"]) {
        const seen = await desk.visible(tenant, id as SegmentId);
        const isSeen = this.#model.holders.sees(tenant, id, this.#model.nowMs);
        expect(seen !== undefined).toBe(isSeen);
      }
    }
  }
}

function prefixKey(name: string) {
  const { tenant, id } = key(name);
  return { tenant, name: id };
}
