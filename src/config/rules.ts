/**
 * Rules that span several keys. They see the document with its defaults filled in, and run even where single keys are wrong, so
 * that all problems come at once: therefore nothing here trusts a type, and a value of a wrong one simply breaks no rule.
 */
import { isIPv4 } from "node:net";
import { formatPath, listAt, valueAt, type Path } from "./document-path.ts";

/** `message` continues "PATH VALUE", as in "must be unique". */
export type Report = (path: Path, message: string) => void;

export function checkRules(document: unknown, report: Report): void {
  checkUnique(document, { list: ["pools"], key: "name" }, report);
  checkPoolModels(listAt(document, "pools"), report);
  checkPoolEndpoints(listAt(document, "pools"), report);
  checkBodyLimits(document, report);
  checkHeaders(document, report);
  checkAdminToken(document, report);
  checkEdsFile(document, report);
}

/** No two items of the list have the same text under `key`. */
export function checkUnique(
  document: unknown,
  { list, key }: { readonly list: Path; readonly key: string },
  report: Report,
): void {
  const firstOf = new Map<string, number>();
  for (const [index, item] of listAt(document, ...list).entries()) {
    const value = valueAt(item, key);
    if (typeof value !== "string") continue;
    const first = firstOf.get(value);
    if (first === undefined) firstOf.set(value, index);
    else report([...list, index, key], `must be unique; ${formatPath([...list, first])} has it`);
  }
}

/** A model in two pools, or two pools for every other model, would leave a request's pool to chance. */
function checkPoolModels(pools: readonly unknown[], report: Report): void {
  const poolOf = new Map<unknown, number>();
  let defaultPool: number | undefined;
  for (const [index, pool] of pools.entries()) {
    const models = valueAt(pool, "models");
    if (!Array.isArray(models)) continue;
    if (models.length === 0) {
      if (defaultPool === undefined) defaultPool = index;
      else {
        const rule = `must not be empty; pools[${defaultPool}] is the default pool already`;
        report(["pools", index, "models"], rule);
      }
    }
    for (const [at, model] of models.entries()) {
      const owner = poolOf.get(model);
      if (owner === undefined) poolOf.set(model, index);
      else if (owner !== index) {
        report(["pools", index, "models", at], `must be in one pool only; pools[${owner}] has it`);
      }
    }
  }
}

function checkPoolEndpoints(pools: readonly unknown[], report: Report): void {
  for (const [index, pool] of pools.entries()) {
    if (typeof pool !== "object" || pool === null) continue;
    const hasList = valueAt(pool, "endpoints") !== undefined;
    const hasFile = valueAt(pool, "endpointsFile") !== undefined;
    if (hasList === hasFile) {
      report(["pools", index], "must have either endpoints or endpointsFile");
    }
  }
}

function checkBodyLimits(document: unknown, report: Report): void {
  const one = valueAt(document, "extproc", "bodyLimitBytes");
  const all = valueAt(document, "extproc", "bufferedBytesLimit");
  if (typeof one === "number" && typeof all === "number" && all < one) {
    report(["extproc", "bufferedBytesLimit"], `must be >= extproc.bodyLimitBytes ${one}`);
  }
}

/** The destination header is overwritten on every request: one that is also read would be read from ourselves. */
function checkHeaders(document: unknown, report: Report): void {
  const destination = valueAt(document, "destination", "header");
  if (typeof destination !== "string") return;
  const read: readonly (readonly [string, unknown])[] = [
    ...listAt(document, "session", "headers").map(
      (name, index) => [`session.headers[${index}]`, name] as const,
    ),
    ["session.tenantHeader", valueAt(document, "session", "tenantHeader")],
    ["model.header", valueAt(document, "model", "header")],
  ];
  const reader = read.find(([, name]) => name === destination);
  if (reader !== undefined) report(["destination", "header"], `must differ from ${reader[0]}`);
  if (/^x-(session-id|moorline-.*)$/.test(destination)) {
    report(["destination", "header"], "must not be x-session-id or x-moorline-*");
  }
}

function checkAdminToken(document: unknown, report: Report): void {
  const host = valueAt(document, "admin", "listen", "host");
  if (typeof host !== "string" || isLoopback(host)) return;
  if (valueAt(document, "admin", "tokenFile") === null) {
    report(["admin", "tokenFile"], `must name a file, because admin.listen ${host} is no loopback`);
  }
}

/** An EDS cluster takes a file with one assignment only, so every pool needs a file of its own. */
function checkEdsFile(document: unknown, report: Report): void {
  const edsFile = valueAt(document, "envoy", "edsFile");
  if (typeof edsFile !== "string" || edsFile.includes("{pool}")) return;
  if (listAt(document, "pools").length > 1) {
    report(["envoy", "edsFile"], "must contain {pool}, because there are several pools");
  }
}

/** An address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
