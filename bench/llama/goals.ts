/** What the figures of turns with llama-servers should be. */
import type { Goal } from "../goals.ts";

export const goals: readonly Goal<"wrong_answers">[] = [
  { field: "wrong_answers", relation: "=", limit: 0 },
];
