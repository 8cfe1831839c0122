/** A location that tells how long each of its operations took, and which faults they ended in. */
import type { Clock } from "../../clock.ts";
import { type FaultCode, type Location, LocationFault } from "../location.ts";
import type { Staging } from "../staging.ts";

/** Those that touch the store. */
export const LOCATION_OPERATIONS = [
  "reserve",
  "extend",
  "stat",
  "read",
  "read_into",
  "write",
  "sync",
  "put",
  "remove",
  "list",
  "discard",
  "free_bytes",
  "examine",
  "adopt",
  "expose",
  "unstage",
  "sweep_staged",
] as const;
export type LocationOperation = (typeof LOCATION_OPERATIONS)[number];

export interface OperationEnd {
  readonly operation: LocationOperation;
  /** Of a read, until it was used up or left. */
  readonly durationMs: number;
  readonly fault: FaultCode | undefined;
}

export interface TimedOptions {
  readonly clock: Clock;
  /** Returns at once and never throws. */
  readonly ended: (end: OperationEnd) => void;
}

type Time = <T>(operation: LocationOperation, work: () => Promise<T>) => Promise<T>;

export function timed(location: Location, { clock, ended }: TimedOptions): Location {
  const time: Time = async (operation, work) => {
    const startMs = clock.now();
    const result = await work();
    const fault = result instanceof LocationFault ? result.code : undefined;
    ended({ operation, durationMs: clock.now() - startMs, fault });
    return result;
  };

  async function* timedRead(...read: Parameters<Location["read"]>): AsyncGenerator<Uint8Array> {
    const startMs = clock.now();
    let fault: FaultCode | undefined;
    try {
      yield* location.read(...read);
    } catch (reason) {
      if (reason instanceof LocationFault) fault = reason.code;
      throw reason;
    } finally {
      ended({ operation: "read", durationMs: clock.now() - startMs, fault });
    }
  }

  const { extend, staging } = location;
  return {
    profile: location.profile,
    ...(staging === undefined ? {} : { staging: timedStaging(staging, time) }),
    reserve: (name, bytes) => time("reserve", () => location.reserve(name, bytes)),
    ...(extend === undefined
      ? {}
      : {
          extend: (name, fromBytes, toBytes) =>
            time("extend", () => extend.call(location, name, fromBytes, toBytes)),
        }),
    stat: (name) => time("stat", () => location.stat(name)),
    read: timedRead,
    readInto: (name, offset, target) =>
      time("read_into", () => location.readInto(name, offset, target)),
    writeAt: (write) => time("write", () => location.writeAt(write)),
    sync: (name) => time("sync", () => location.sync(name)),
    put: (name, source, expect) => time("put", () => location.put(name, source, expect)),
    removeIf: (name, isIt) => time("remove", () => location.removeIf(name, isIt)),
    list: (cursor, limit) => time("list", () => location.list(cursor, limit)),
    discard: (leftover) => time("discard", () => location.discard(leftover)),
    freeBytes: () => time("free_bytes", () => location.freeBytes()),
    uri: (name) => location.uri(name),
    nameOf: (uri) => location.nameOf(uri),
    close: () => location.close(),
  };
}

function timedStaging(staging: Staging, time: Time): Staging {
  return {
    path: staging.path,
    examine: (name) => time("examine", () => staging.examine(name)),
    assess: (name) => time("examine", () => staging.assess(name)),
    adopt: (name, as, examined) => time("adopt", () => staging.adopt(name, as, examined)),
    expose: (object, as, expect) => time("expose", () => staging.expose(object, as, expect)),
    remove: (name) => time("unstage", () => staging.remove(name)),
    sweep: (olderThanMs) => time("sweep_staged", () => staging.sweep(olderThanMs)),
  };
}
