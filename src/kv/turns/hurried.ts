import type { Scheduler } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";

/** For longer nothing gives way: somebody may be waiting for a disk that does not answer. */
const HURRY_MS = 50;

export interface HurryOptions {
  readonly catalog: Pick<Catalog, "ahead">;
  readonly scheduler: Scheduler;
}

export type Hurried = <T>(work: () => Promise<T>) => Promise<T>;

/** The catalog's upkeep gives way to work that will ask something of the catalog, as it does to what is asked already. */
export function hurriedIn({ catalog, scheduler }: HurryOptions): Hurried {
  return async (work) => {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const cancel = scheduler.after(HURRY_MS, end);
    void catalog.ahead(() => over);
    try {
      return await work();
    } finally {
      cancel();
      end();
    }
  };
}
