/** What a running Moorline says about itself, over its admin API and in its log. */
import type { Moorline } from "../../demo/stack/moorline.ts";

interface PoolsView {
  readonly pools: readonly {
    readonly name: string;
    readonly endpoints: readonly { readonly id: string; readonly state: string }[];
  }[];
}

/** States by endpoint id, of one pool. */
export async function endpointStates(
  moorline: Moorline,
  pool = "default",
): Promise<Readonly<Record<string, string>>> {
  const view = (await (await fetch(`${moorline.adminUrl}/v1/pools`)).json()) as PoolsView;
  const endpoints = view.pools.find(({ name }) => name === pool)?.endpoints ?? [];
  return Object.fromEntries(endpoints.map(({ id, state }) => [id, state]));
}

/** The value of one series, as it is written: `moorline_reloads_total{what="config",result="failed"}`. 0 where there is none. */
export async function metric(moorline: Moorline, series: string): Promise<number> {
  const page = await (await fetch(`${moorline.adminUrl}/metrics`)).text();
  const line = page.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length));
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
}

/** The log from now on; what is no JSON is left out. */
export function followLog(moorline: Moorline): readonly LogLine[] {
  const lines: LogLine[] = [];
  moorline.child.onLine((line) => {
    if (line.startsWith("{")) lines.push(JSON.parse(line) as LogLine);
  });
  return lines;
}
