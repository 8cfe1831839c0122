/** The objects that the contract's tests make in a location and read back. */
import type { Location, ObjectName, ObjectStat } from "../../../src/kv/location.ts";
import { collect, expectationOf, lent } from "../../support/bytes.ts";
import { ok } from "../../support/location-results.ts";

export interface OpenLocation {
  readonly location: Location;
  /** Must be above 64 MiB. */
  readonly capacityBytes: number;
  readonly close: () => Promise<void>;
}

export const MIB = 1024 * 1024;
export const a = "a" as ObjectName;
export const b = "b.Epoch-1" as ObjectName;

export async function put(
  location: Location,
  name: ObjectName,
  bytes: Uint8Array,
): Promise<ObjectStat> {
  return ok(await location.put(name, lent(bytes), expectationOf(bytes)));
}

export function readWhole(location: Location, name: ObjectName, length: number): Promise<Buffer> {
  return collect(location.read(name, [{ offset: 0, length }]));
}

/** A source that gives the bytes and then throws. */
export async function* failing(bytes: Uint8Array, error: Error): AsyncGenerator<Uint8Array> {
  yield bytes;
  throw error;
}
