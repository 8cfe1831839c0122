/** What a running Moorline says about itself, over its admin API. */
import type { Moorline } from "./moorline.ts";

interface PoolsView {
  readonly pools: readonly {
    readonly name: string;
    readonly endpoints: readonly { readonly id: string; readonly state: string }[];
  }[];
}

/** States by endpoint id, of one pool. */
export async function endpointStates(
  moorline: Pick<Moorline, "adminUrl">,
  pool = "default",
): Promise<Readonly<Record<string, string>>> {
  const view = (await (await fetch(`${moorline.adminUrl}/v1/pools`)).json()) as PoolsView;
  const endpoints = view.pools.find(({ name }) => name === pool)?.endpoints ?? [];
  return Object.fromEntries(endpoints.map(({ id, state }) => [id, state]));
}

/** The value of one series, as it is written: `moorline_reloads_total{what="config",result="failed"}`. 0 where there is none. */
export async function metric(
  moorline: Pick<Moorline, "adminUrl">,
  series: string,
): Promise<number> {
  const page = await (await fetch(`${moorline.adminUrl}/metrics`)).text();
  const line = page.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length));
}

/** How many engines of the pool Moorline has looked at, and takes for what it is told that they are. */
export async function knownEngines(
  moorline: Pick<Moorline, "adminUrl">,
  pool = "default",
): Promise<number> {
  return metric(moorline, `moorline_kv_engines{pool="${pool}",state="ready"}`);
}
