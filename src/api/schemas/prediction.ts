import * as z from "zod";

import { modelField, sessionIdField, tokenCountField, wholeField } from "./fields.ts";
import { promptField } from "./turn.ts";

export const predictBody = z
  .strictObject({
    session: sessionIdField.optional().describe("Whose next turn it is"),
    model: modelField.optional().describe("Of a session that is still to be made"),
    prompt: promptField,
    max_new_tokens: tokenCountField
      .optional()
      .describe("The most that the answer may have; as many as engines like where it is not given"),
  })
  .refine(
    ({ session, model }) => (session === undefined) !== (model === undefined),
    "either session or model",
  );

const figure = z
  .object({
    value: z.number().min(0).nullable().describe("Null before enough turns were seen"),
    p50_error: z
      .number()
      .min(0)
      .nullable()
      .describe("A fraction; null before enough were compared"),
    p90_error: z.number().min(0).nullable(),
  })
  .meta({ id: "PredictedFigure" });

const amount = z.number().min(0);

const priceSchema = z
  .object({
    currency: z.string(),
    total: amount,
    uncached_input: amount,
    cached_input: amount,
    output: amount,
    write: amount,
    storage: amount,
    input_tokens: wholeField.describe("As the pool counts them"),
  })
  .meta({ id: "Price" });

export const predictionSchema = z
  .object({
    pool: z.string(),
    prompt_tokens: wholeField,
    stored_tokens: wholeField.describe("That a plan would list now"),
    limit: z.string().describe("Why no more would be"),
    cached_tokens: figure,
    output_tokens: figure,
    load_ms: figure,
    prefill_ms: figure,
    ttft_ms: figure,
    total_ms: figure,
    price: priceSchema
      .nullable()
      .describe("Null where the pool has no prices, or the length of the answer is not known"),
  })
  .meta({ id: "Prediction" });

const sideSchema = z
  .object({
    cached_tokens: wholeField,
    output_tokens: wholeField.nullable(),
    ttft_ms: amount.nullable().describe("Null where it was not predicted, or not streamed"),
    total_ms: amount.nullable(),
    price: priceSchema.nullable(),
  })
  .meta({ id: "TurnFigures" });

export const comparisonSchema = z
  .object({
    prompt_tokens: wholeField,
    stored_tokens: wholeField.describe("Given to load"),
    predicted: sideSchema,
    actual: sideSchema,
    errors: z.object({
      cached_tokens: amount.nullable(),
      output_tokens: amount.nullable(),
      ttft_ms: amount.nullable(),
      total_ms: amount.nullable(),
    }),
  })
  .meta({ id: "ComparedTurn" });
