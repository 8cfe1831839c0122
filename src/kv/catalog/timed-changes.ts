/** A catalog that tells how long the changes took that turns wait for: until they are as durable as they are to be. */
import type { Clock } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";

export const TIMED_CHANGES = ["create", "reserve", "lease", "report", "settle", "abort"] as const;
export type TimedChange = (typeof TIMED_CHANGES)[number];

export interface ChangeEnd {
  readonly rule: TimedChange;
  readonly durationMs: number;
}

export interface TimedChangesOptions {
  readonly clock: Clock;
  /** Returns at once and never throws. Told of failures too. */
  readonly ended: (end: ChangeEnd) => void;
}

export function timedChanges(catalog: Catalog, { clock, ended }: TimedChangesOptions): Catalog {
  const time = <Request, Outcome>(
    rule: TimedChange,
    change: (request: Request) => Promise<Outcome>,
  ) => {
    return async (request: Request): Promise<Outcome> => {
      const startMs = clock.now();
      try {
        return await change(request);
      } finally {
        ended({ rule, durationMs: clock.now() - startMs });
      }
    };
  };
  return {
    ...catalog,
    create: time("create", (request) => catalog.create(request)),
    reserve: time("reserve", (request) => catalog.reserve(request)),
    lease: time("lease", (request) => catalog.lease(request)),
    report: time("report", (request) => catalog.report(request)),
    settle: time("settle", (request) => catalog.settle(request)),
    abort: time("abort", (request) => catalog.abort(request)),
  };
}
