import { LocationFault } from "../../src/kv/location.ts";
import type { FaultCode, Leftover, Location } from "../../src/kv/location.ts";

export function ok<T>(result: T | LocationFault): T {
  if (result instanceof LocationFault) throw result;
  return result;
}

export function faultOf(result: unknown): FaultCode | undefined {
  return result instanceof LocationFault ? result.code : undefined;
}

export async function listAll(location: Location, limit = 1_000): Promise<ListedAll> {
  const all = { names: [] as string[], leftovers: [] as Leftover[], foreign: [] as string[] };
  let cursor: string | undefined;
  do {
    const page = ok(await location.list(cursor, limit));
    all.names.push(...page.objects.map(({ name }) => name));
    all.leftovers.push(...page.leftovers);
    all.foreign.push(...page.foreign);
    cursor = page.next;
  } while (cursor !== undefined);
  return { ...all, names: all.names.toSorted() };
}

export interface ListedAll {
  readonly names: readonly string[];
  readonly leftovers: readonly Leftover[];
  readonly foreign: readonly string[];
}
