/** How much there is to parse, found without parsing it: a value costs a thousand times what its bytes do. */
import { jsonText } from "./json-tokens.ts";
import { walkJsonInSlices, type JsonVisitor } from "./json-walk.ts";
import type { Slices } from "./slices.ts";

/** Whether one valid JSON text has more values than this, containers and what is in them. */
export function* hasMoreValuesInSlices(bytes: Uint8Array, limit: number): Slices<boolean> {
  if (bytes.length <= limit) return false; // each value has a byte of its own
  const values = new Values();
  for (const _ of walkJsonInSlices(jsonText(bytes), values)) {
    if (values.count > limit) return true;
    yield;
  }
  return values.count > limit;
}

class Values implements JsonVisitor {
  count = 0;

  key(): void {}

  scalar(): void {
    this.count++;
  }

  open(): void {
    this.count++;
  }

  close(): void {}
}
