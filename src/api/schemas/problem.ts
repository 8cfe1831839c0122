import * as z from "zod";

import { PROBLEM_MEDIA_TYPE, PROBLEMS, type ProblemCode } from "../../http/problem.ts";

const fieldProblem = z.object({
  field: z.string(),
  message: z.string(),
  value: z.string().optional(),
  limit: z.string(),
});

/** RFC 9457. docs/errors.md has the codes. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    errors: z.array(fieldProblem).optional(),
  })
  .meta({ id: "Problem" });

export const problemAnswer = {
  description: "A problem document (RFC 9457); `code` says which.",
  content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema } },
};

/** For the `response` of every route. */
export const problemAnswers = { "4xx": problemAnswer, "5xx": problemAnswer };
