import type { Predictor } from "./predictor.ts";
import type { Prices } from "./price.ts";

/** What turns of a pool are predicted with. */
export interface PoolPrediction {
  readonly pool: string;
  readonly predictor: Predictor;
  /** In tokens: what is stored comes in whole pages. */
  readonly pageSize: number;
  /** Undefined: its turns have no price. */
  readonly prices: Prices | undefined;
}

/** Of all pools with a profile, each the same each time. */
export interface Predictions {
  ofPool(name: string): PoolPrediction | undefined;
  /** The pool that serves the model. */
  ofModel(model: string): PoolPrediction | undefined;
}
