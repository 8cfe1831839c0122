/** How the answers of engines are read on their way to clients. */
import type { AnswerForm, AnswerReader } from "../dialect.ts";
import { answerMembers, type ReportPlace } from "./answer-members.ts";
import { ErrorAnswer } from "./error-answer.ts";
import { EventAnswer } from "./event-answer.ts";
import { JsonAnswer } from "./json-answer.ts";

export type { ReportPlace } from "./answer-members.ts";

export interface AnswerOptions {
  readonly place: ReportPlace;
  readonly form: AnswerForm;
  /** The report is left in what the client gets. */
  readonly exposeKv: boolean;
  /** By which an error may name what was injected; nothing unless given. */
  readonly named?: readonly string[];
  /** The events of a chat tell its usage because we asked for it: the client gets none. False unless given. */
  readonly removesUsage?: boolean;
}

export function openAnswer({ form, named = [], ...options }: AnswerOptions): AnswerReader {
  const { place, exposeKv } = options;
  if (form === "error" && !exposeKv) return new ErrorAnswer({ place, named });
  if (form === "events") return new EventAnswer(answerMembers(options));
  // One text tells its usage whoever asks.
  return new JsonAnswer(answerMembers({ ...options, removesUsage: false }));
}

/** Holds on to nothing but the options. */
export function answerOpener(options: Omit<AnswerOptions, "form">) {
  return (form: AnswerForm): AnswerReader => openAnswer({ ...options, form });
}
