/** What labels of locations and endpoints leave out of reach: it works, and is most likely a label that is spelled in two ways. */
import type { EndpointSpec } from "../endpoints/endpoint.ts";
import { isReached } from "../kv/reach.ts";
import type { Config } from "./config.ts";

/** By pool, in the configuration's order; undefined where they are not known here. */
export type KnownEndpoints = readonly (readonly EndpointSpec[] | undefined)[];

export function reachWarnings({ kv, pools }: Config, endpoints: KnownEndpoints): readonly string[] {
  if (kv === null) return [];
  const storing = pools.flatMap((pool, index) => (pool.kv === null ? [] : [endpoints[index]]));
  const known = storing.flatMap((list) => list ?? []);
  // Of a pool that is empty, or read from a file later on, nobody can say.
  if (known.length === 0 || storing.includes(undefined)) return [];
  const lost = kv.locations.flatMap((site, index) =>
    !site.engines || known.some((endpoint) => isReached(site, endpoint))
      ? []
      : [
          `kv.locations[${index}] ${site.id} is reached by no endpoint of a pool with kv: nothing is stored there or loaded from there`,
        ],
  );
  const blind = known.filter((endpoint) => !kv.locations.some((site) => isReached(site, endpoint)));
  const [first] = blind;
  if (first === undefined) return lost;
  const others = blind.length === 1 ? "" : ` and ${blind.length - 1} more`;
  return [
    ...lost,
    `endpoint ${first.id}${others} reaches none of kv.locations: its turns load and store nothing`,
  ];
}
