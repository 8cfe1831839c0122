/** Who lists what since when, who may see it, and who pays: counted anew whenever it is asked for. */
import type { ModelSegment } from "./catalog-model.ts";

export interface ModelHolder {
  readonly kind: "session" | "prefix";
  readonly tenant: string;
  readonly id: string;
  /** Since when. */
  readonly listed: Map<string, number>;
}

export interface ModelSession extends ModelHolder {
  readonly createdAtMs: number;
  priority: number;
  ttlMs: number;
  expiresAtMs: number;
  pinnedUntilMs: number;
  file: string | undefined;
  leasedBy: string | undefined;
}

export interface ModelPrefix extends ModelHolder {
  readonly to: "everyone" | readonly string[];
  readonly expiresAtMs: number;
}

export interface NewPrefix {
  readonly name: string;
  readonly ids: readonly string[];
  readonly to: ModelPrefix["to"];
  readonly expiresAtMs: number;
}

export class HoldersModel {
  readonly sessions = new Map<string, ModelSession>();
  readonly prefixes = new Map<string, ModelPrefix>();
  /** Pairs of tenants, who does not trust whom. */
  readonly mistrusted = new Set<string>();
  readonly #segments: Map<string, ModelSegment>;

  constructor(segments: Map<string, ModelSegment>) {
    this.#segments = segments;
  }

  listing(segment: string): (ModelSession | ModelPrefix)[] {
    const all = [...this.sessions.values(), ...this.prefixes.values()];
    return all.filter(({ listed }) => listed.has(segment));
  }

  /** In the namespace of the tenant's sessions. */
  isOwn(tenant: string, segment: string): boolean {
    return this.listing(segment).some((each) => each.kind === "session" && each.tenant === tenant);
  }

  sees(tenant: string, segment: string, nowMs: number): boolean {
    const isOpen = (each: ModelPrefix) =>
      each.tenant === tenant ||
      (!this.mistrusted.has(`${tenant} ${each.tenant}`) &&
        (each.to === "everyone" || each.to.includes(tenant)));
    const readable = [...this.prefixes.values()].filter(
      (each) => isOpen(each) && nowMs < each.expiresAtMs,
    );
    return this.isOwn(tenant, segment) || readable.some(({ listed }) => listed.has(segment));
  }

  list({ listed }: ModelHolder, segment: string, nowMs: number): void {
    if (!listed.has(segment)) listed.set(segment, nowMs);
  }

  drop({ listed }: ModelHolder, id: string): void {
    listed.delete(id);
    const left = this.listing(id);
    const segment = this.#segments.get(id);
    if (left.length === 0) this.#segments.delete(id);
    if (segment === undefined || left.some(({ tenant }) => tenant === segment.tenant)) return;
    segment.tenant = left.toSorted((a, b) => byAge(a, b, id))[0]?.tenant ?? segment.tenant;
  }

  createPrefix({ name, ids, to, expiresAtMs }: NewPrefix, nowMs: number): string {
    const [tenant = "", id = ""] = name.split("/");
    if (this.#livePrefix(name, nowMs) !== undefined) return "exists";
    if (ids.length === 0 || !ids.every((each) => this.sees(tenant, each, nowMs))) {
      return "no_segment";
    }
    const listed = new Map(ids.map((each) => [each, nowMs]));
    this.prefixes.set(name, { kind: "prefix", tenant, id, listed, to, expiresAtMs });
    return "created";
  }

  removePrefix(name: string, nowMs: number): boolean {
    const prefix = this.#livePrefix(name, nowMs);
    if (prefix !== undefined) this.#endPrefix(name, prefix);
    return prefix !== undefined;
  }

  expirePrefixes(nowMs: number): void {
    for (const name of this.prefixes.keys()) this.#livePrefix(name, nowMs);
  }

  #livePrefix(name: string, nowMs: number): ModelPrefix | undefined {
    const prefix = this.prefixes.get(name);
    if (prefix === undefined || nowMs < prefix.expiresAtMs) return prefix;
    this.#endPrefix(name, prefix);
    return undefined;
  }

  #endPrefix(name: string, prefix: ModelPrefix): void {
    this.prefixes.delete(name);
    for (const id of prefix.listed.keys()) this.drop(prefix, id);
  }
}

function byAge(a: ModelHolder, b: ModelHolder, segment: string): number {
  const [one, other] = [a, b].map(({ listed }) => listed.get(segment) ?? 0);
  return (one ?? 0) - (other ?? 0) || (nameOf(a) < nameOf(b) ? -1 : 1);
}

function nameOf({ kind, tenant, id }: ModelHolder): string {
  return `${kind}\0${tenant}\0${id}`;
}
