/**
 * Whether the ring is fine enough for the weights of a pool: an endpoint's share of sessions holds within 5/sqrt(its expected
 * slots), so under 100 slots it may be off by more than half.
 */
import { expectedSlots } from "../affinity/ring.ts";
import type { EndpointSpec } from "../endpoints/endpoint.ts";

export const MIN_EXPECTED_SLOTS = 100;

/** One problem per endpoint that has too few slots. `where` is the list of endpoints, such as `pools[0].endpoints`. */
export function capacityProblems(
  where: string,
  endpoints: readonly EndpointSpec[],
  ringSlots: number,
): string[] {
  return expectedSlots(endpoints, ringSlots)
    .filter(({ slots }) => slots < MIN_EXPECTED_SLOTS)
    .map(
      ({ id, slots }) =>
        `${where} ${id} has ${slots.toFixed(1)} expected slots of affinity.ringSlots ${ringSlots}, ` +
        `must have >= ${MIN_EXPECTED_SLOTS}`,
    );
}
