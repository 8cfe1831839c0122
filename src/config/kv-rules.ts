/**
 * Rules between the keys of `kv`, and between them and others. As in rules.ts, nothing here trusts a type. Paths are compared as
 * they are written: that two of them meet through a link is not seen.
 */
import { resolve, sep } from "node:path";
import { formatPath, listAt, valueAt } from "./document-path.ts";
import { checkUnique, isLoopback, type Report } from "./rules.ts";

/** `folder`: from which relative paths start. */
export function checkKvRules(document: unknown, folder: string, report: Report): void {
  const kv = valueAt(document, "kv");
  if (typeof kv !== "object" || kv === null) return;
  checkProfiles(document, report);
  checkListen(document, report);
  checkLocations(document, report);
  checkFolders(document, folder, report);
  checkClasses(document, report);
  checkTenants(document, report);
  checkTrusts(document, report);
  checkReplicas(kv, report);
  checkTimes(kv, report);
}

/** Without one, there is no model whose segments could be stored. */
function checkProfiles(document: unknown, report: Report): void {
  const pools = listAt(document, "pools");
  if (pools.length === 0 || pools.some((pool) => (valueAt(pool, "kv") ?? null) !== null)) return;
  report(["kv"], "must have at least one of pools[] with kv.profile");
}

/** Whoever reaches the listener reads and writes what any tenant stored, unless something asks for a token. */
function checkListen(document: unknown, report: Report): void {
  const host = valueAt(document, "kv", "listen", "host");
  if (typeof host !== "string" || isLoopback(host)) return;
  if ((valueAt(document, "admin", "tokenFile") ?? null) !== null) return;
  const tenants = listAt(document, "kv", "tenants");
  if (tenants.some((tenant) => listAt(tenant, "tokenHashes").length > 0)) return;
  const rule = "must be loopback, because neither admin.tokenFile nor kv.tenants[].tokenHashes";
  report(["kv", "listen"], `${rule} asks for a token`);
}

function checkLocations(document: unknown, report: Report): void {
  checkUnique(document, { list: ["kv", "locations"], key: "id" }, report);
  const locations = listAt(document, "kv", "locations");
  const flat = locations.findIndex((location) => valueAt(location, "naming") === "flat");
  for (const [index, location] of locations.entries()) {
    const at = ["kv", "locations", index];
    if (index > flat && valueAt(location, "naming") === "flat") {
      const rule = `must be flat in one location only; kv.locations[${flat}] is`;
      report([...at, "naming"], rule);
    }
    const [headroom, capacity] = ["headroomBytes", "capacityBytes"].map((key) =>
      valueAt(location, key),
    );
    if (typeof headroom === "number" && typeof capacity === "number" && headroom >= capacity) {
      report([...at, "headroomBytes"], `must be < capacityBytes ${capacity}`);
    }
    checkUriPrefix(locations, index, report);
  }
  if (locations.length > 0 && locations.every((each) => valueAt(each, "engines") === false)) {
    report(["kv", "locations"], "must have at least one that engines reach (engines: true)");
  }
}

/** A URI must lead to one file only, so no engine may see one location under another. */
function checkUriPrefix(locations: readonly unknown[], index: number, report: Report): void {
  const prefix = valueAt(locations[index], "uriPrefix");
  const other = locations.findIndex((location, at) => {
    const taken = valueAt(location, "uriPrefix");
    if (typeof prefix !== "string" || typeof taken !== "string" || at === index) return false;
    return prefix === taken ? at < index : prefix.startsWith(taken);
  });
  if (other < 0) return;
  const rule = `must not start with that of kv.locations[${other}]`;
  report(["kv", "locations", index, "uriPrefix"], rule);
}

/** What engines may write to has nothing else in it: no other location, and nothing that only the service may see. */
function checkFolders(document: unknown, folder: string, report: Report): void {
  const named = [
    ...listAt(document, "kv", "locations").map((_, index) => ["kv", "locations", index, "root"]),
    ["kv", "catalog", "path"],
    ["kv", "secretFile"],
  ].flatMap((at) => {
    const written = valueAt(document, ...at);
    return typeof written === "string" ? [{ at, path: resolve(folder, written) }] : [];
  });
  const isRoot = ({ at }: (typeof named)[number]) => at.includes("root");
  for (const [index, each] of named.entries()) {
    const outer = named.find((other, at) => {
      if (at === index || (!isRoot(other) && !isRoot(each))) return false;
      return other.path === each.path ? at < index : isInside(each.path, other.path);
    });
    if (outer !== undefined) report(each.at, `must not lie in ${formatPath(outer.at)}`);
  }
}

function isInside(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function checkClasses(document: unknown, report: Report): void {
  checkUnique(document, { list: ["kv", "retention", "classes"], key: "name" }, report);
  const classes = listAt(document, "kv", "retention", "classes");
  for (const [index, each] of classes.entries()) {
    const [ttlMs, maxAgeMs] = [valueAt(each, "ttlMs"), valueAt(each, "maxAgeMs")];
    if (typeof ttlMs === "number" && typeof maxAgeMs === "number" && maxAgeMs < ttlMs) {
      report(["kv", "retention", "classes", index, "maxAgeMs"], `must be >= ttlMs ${ttlMs}`);
    }
  }
  const known = new Set(classes.map((each) => valueAt(each, "name")));
  const users = [
    ["kv", "retention", "defaultClass"],
    ["kv", "defaultTenant", "retentionClass"],
    ...listAt(document, "kv", "tenants").map((_, at) => ["kv", "tenants", at, "retentionClass"]),
  ];
  for (const path of users) {
    const name = valueAt(document, ...path);
    if (typeof name === "string" && !known.has(name)) {
      report(path, "must be the name of one of kv.retention.classes");
    }
  }
}

/** A token says who asks, so it can be one tenant's only. */
function checkTenants(document: unknown, report: Report): void {
  checkUnique(document, { list: ["kv", "tenants"], key: "name" }, report);
  const ownerOf = new Map<unknown, number>();
  for (const [index, tenant] of listAt(document, "kv", "tenants").entries()) {
    for (const [at, hash] of listAt(tenant, "tokenHashes").entries()) {
      const owner = ownerOf.get(hash) ?? index;
      ownerOf.set(hash, owner);
      if (owner === index) continue;
      const rule = `must be of one tenant only; kv.tenants[${owner}] has it`;
      report(["kv", "tenants", index, "tokenHashes", at], rule);
    }
  }
}

/** A name that is mistyped would be trusted the day that somebody gets it. */
function checkTrusts(document: unknown, report: Report): void {
  const tenants = listAt(document, "kv", "tenants");
  const known = new Set<unknown>(["", ...tenants.map((tenant) => valueAt(tenant, "name"))]);
  const readers = [
    ["kv", "defaultTenant", "trusts"],
    ...tenants.map((_, index) => ["kv", "tenants", index, "trusts"]),
  ];
  for (const path of readers) {
    for (const [at, name] of listAt(document, ...path).entries()) {
      if (typeof name !== "string" || known.has(name)) continue;
      report([...path, at], 'must be "" or the name of one of kv.tenants');
    }
  }
}

/** What there is no place for would be tried for ever. */
function checkReplicas(kv: unknown, report: Report): void {
  const [min, max] = ["min", "max"].map((key) => valueAt(kv, "replicas", key));
  if (typeof min !== "number") return;
  if (typeof max === "number" && max < min) {
    report(["kv", "replicas", "max"], `must be >= kv.replicas.min ${min}`);
  }
  const places = listAt(kv, "locations").filter((each) => valueAt(each, "engines") !== false);
  if (places.length > 0 && min > places.length) {
    const rule = `must be <= ${places.length}, the kv.locations that engines reach`;
    report(["kv", "replicas", "min"], rule);
  }
}

function checkTimes(kv: unknown, report: Report): void {
  const [turnMs, settleMs] = [valueAt(kv, "turns", "turnMs"), valueAt(kv, "turns", "settleMs")];
  const quarantineMs = valueAt(kv, "keeper", "quarantineMs");
  if (typeof turnMs === "number" && typeof quarantineMs === "number" && quarantineMs < turnMs) {
    // An engine may write for as long as a turn lasts, whatever became of the turn.
    report(["kv", "keeper", "quarantineMs"], `must be >= kv.turns.turnMs ${turnMs}`);
  }
  const [quietMs, settleMaxMs, probeTimeoutMs] = ["quietMs", "settleMaxMs", "probeTimeoutMs"].map(
    (key) => valueAt(kv, "verify", key),
  );
  if (typeof settleMaxMs !== "number") return;
  if (typeof quietMs === "number" && settleMaxMs < quietMs) {
    report(["kv", "verify", "settleMaxMs"], `must be >= kv.verify.quietMs ${quietMs}`);
  }
  if (typeof settleMs !== "number" || typeof probeTimeoutMs !== "number") return;
  // The two parts of a turn are verified one after the other.
  const neededMs = 2 * (settleMaxMs + probeTimeoutMs);
  if (settleMs <= neededMs) {
    const rule = `must be > ${neededMs}, twice kv.verify.settleMaxMs and probeTimeoutMs together`;
    report(["kv", "turns", "settleMs"], rule);
  }
}
