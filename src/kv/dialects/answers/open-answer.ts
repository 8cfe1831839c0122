/** CONTRACT ONLY. */
import { AppError } from "../../../errors.ts";
import type { AnswerForm, AnswerReader } from "../dialect.ts";

/**
 * Where the engine's report is in an answer: the member at the root of the JSON text or of each event, or for a chat
 * `kv_transfer_params.kvcache_params` in the JSON text, or in one event of its own before `[DONE]`.
 */
export type ReportPlace = "session_params" | "kvcache_params" | "kv_transfer_params";

export interface AnswerOptions {
  readonly place: ReportPlace;
  readonly form: AnswerForm;
  /** The report is left in what the client gets. */
  readonly exposeKv: boolean;
}

export function openAnswer(options: AnswerOptions): AnswerReader {
  throw new AppError("internal", `answers with ${options.place} are not read yet`);
}
