/** How an engine is made to behave worse than it is: by flags at its start, and later by `POST /behave`. For tests and demos. */
import { BadRequest, isObject, optionalInteger } from "./protocol/bad-request.ts";
import type { JsonObject } from "./protocol/bad-request.ts";
import type { Death, WriteBehaviour } from "./segments/writer.ts";

export interface Behaviour extends WriteBehaviour {
  /** Computing takes so much longer for each prompt token that is not cached. */
  readonly prefillUsPerToken: number;
  readonly fault: EngineFault;
}

/** `unhealthy`: only `GET /health` fails. `error`: only the model paths fail, with 500. */
export type EngineFault = "none" | "unhealthy" | "error";

export const GOOD_BEHAVIOUR: Behaviour = {
  writeDelayMs: 0,
  stallMs: 0,
  death: undefined,
  prefillUsPerToken: 0,
  fault: "none",
};

/** What is not named is good. */
export function parseBehaviour(fields: JsonObject): Behaviour {
  const { fault = "none" } = fields;
  if (fault !== "none" && fault !== "unhealthy" && fault !== "error") {
    throw new BadRequest("fault must be none, unhealthy or error");
  }
  return {
    writeDelayMs: parseCount(fields, "write_delay_ms"),
    stallMs: parseCount(fields, "stall_ms"),
    death: parseDeath(fields["die"] ?? undefined),
    prefillUsPerToken: parseCount(fields, "prefill_us"),
    fault,
  };
}

function parseDeath(die: unknown): Death | undefined {
  if (die === undefined) return undefined;
  if (!isObject(die)) throw new BadRequest("die must be an object");
  const [write, eighths] = [
    optionalInteger(die, "write") ?? 1,
    optionalInteger(die, "eighths") ?? 0,
  ];
  if (write >= 1 && eighths >= 0 && eighths <= 8) return { write, eighths };
  throw new BadRequest("die.write must be at least 1, and die.eighths from 0 to 8");
}

function parseCount(fields: JsonObject, name: string): number {
  const count = optionalInteger(fields, name) ?? 0;
  if (count >= 0) return count;
  throw new BadRequest(`${name} ${count} must be at least 0`);
}
