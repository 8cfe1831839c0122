/** What a running Moorline says about itself, over its admin API and in its log. */
import type { Moorline } from "../../demo/stack/moorline.ts";

export { endpointStates, metric } from "../../demo/stack/moorline-view.ts";

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
