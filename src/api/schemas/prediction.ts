import * as z from "zod";

import { wholeField } from "./fields.ts";

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

const predictedFields = {
  pool: z.string(),
  prompt_tokens: wholeField,
  cached_tokens: figure,
  output_tokens: figure,
  load_ms: figure,
  prefill_ms: figure,
  ttft_ms: figure,
  total_ms: figure,
  price: priceSchema
    .nullable()
    .describe("Null where the pool has no prices, or the length of the answer is not known"),
};

export const predictedTurnSchema = z.object(predictedFields).meta({ id: "PredictedTurn" });

export const predictionSchema = z
  .object({
    ...predictedFields,
    stored_tokens: wholeField.describe("That a plan would list now"),
    limit: z.string().describe("Why no more would be"),
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
