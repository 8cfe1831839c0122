/** What plans wait for, as the program's own metrics tell it. Settling and upkeep ask none of it while plans are measured. */
import type { ChangeEnd } from "../../src/kv/catalog/timed-changes.ts";
import type { OperationEnd } from "../../src/kv/locations/timed.ts";
import { percentileOf } from "../figures.ts";

export interface PlanPartTimes {
  /** The reservation, until it is on the disk. */
  readonly reserveP50Ms: number;
  readonly reserveP99Ms: number;
  /** Its file made, or made larger. */
  readonly fileP50Ms: number;
  readonly fileP99Ms: number;
  /** A look at a file with something to list. */
  readonly lookP50Ms: number;
  readonly lookP99Ms: number;
}

export class PlanParts {
  #reserveMs: number[] = [];
  #fileMs: number[] = [];
  #lookMs: number[] = [];

  readonly changed = ({ rule, durationMs }: ChangeEnd): void => {
    if (rule === "reserve") this.#reserveMs.push(durationMs);
  };

  readonly used = ({ operation, durationMs }: OperationEnd): void => {
    if (operation === "reserve" || operation === "extend") this.#fileMs.push(durationMs);
    if (operation === "stat") this.#lookMs.push(durationMs);
  };

  /** Of all since the last time that this was asked for. */
  take(): PlanPartTimes {
    const times = {
      reserveP50Ms: percentileOf(this.#reserveMs, 0.5),
      reserveP99Ms: percentileOf(this.#reserveMs, 0.99),
      fileP50Ms: percentileOf(this.#fileMs, 0.5),
      fileP99Ms: percentileOf(this.#fileMs, 0.99),
      lookP50Ms: percentileOf(this.#lookMs, 0.5),
      lookP99Ms: percentileOf(this.#lookMs, 0.99),
    };
    [this.#reserveMs, this.#fileMs, this.#lookMs] = [[], [], []];
    return times;
  }
}
