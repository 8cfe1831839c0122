/** What of the sampling parameters an engine that always takes the likeliest token looks at; the others change nothing. */
import { BadRequest, optionalInteger } from "./bad-request.ts";
import type { JsonObject } from "./bad-request.ts";

export interface Sampling {
  /** At least 1. */
  readonly maxNewTokens: number;
  readonly ignoresEos: boolean;
}

const DEFAULT_NEW_TOKENS = 128;

/** `lengthNames`: under which names the number of new tokens may come, the first that is there counting. */
export function parseSampling(fields: JsonObject, lengthNames: readonly string[]): Sampling {
  if ((optionalInteger(fields, "n") ?? 1) !== 1) throw new BadRequest("n must be 1");
  const lengths = lengthNames.map((name) => optionalInteger(fields, name));
  const maxNewTokens = lengths.find((length) => length !== undefined) ?? DEFAULT_NEW_TOKENS;
  if (maxNewTokens < 1) throw new BadRequest(`${lengthNames.join(" or ")} must be at least 1`);
  return { maxNewTokens, ignoresEos: fields["ignore_eos"] === true };
}
