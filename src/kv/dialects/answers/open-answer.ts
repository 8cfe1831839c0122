/** How the answers of engines are read on their way to clients. */
import type { AnswerForm, AnswerReader } from "../dialect.ts";
import { answerMembers, type ReportPlace } from "./answer-members.ts";
import { EventAnswer } from "./event-answer.ts";
import { JsonAnswer } from "./json-answer.ts";

export type { ReportPlace } from "./answer-members.ts";

export interface AnswerOptions {
  readonly place: ReportPlace;
  readonly form: AnswerForm;
  /** The report is left in what the client gets. */
  readonly exposeKv: boolean;
}

export function openAnswer(options: AnswerOptions): AnswerReader {
  const members = answerMembers(options);
  return options.form === "json" ? new JsonAnswer(members) : new EventAnswer(members);
}
