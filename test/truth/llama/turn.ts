/** One prompt of the truth run with llama-servers, and how it is sent. */

/** The path; a chat is rendered by the server. */
export const FORMS = ["completion", "v1_completions", "chat"] as const;
export type Form = (typeof FORMS)[number];

/** `edited`: what was said earlier is said otherwise, and all after it is gone. `left`: the client goes in mid-answer. */
export const TURN_KINDS = [
  "opening",
  "continued",
  "regenerated",
  "edited",
  "concurrent",
  "left",
] as const;
export type TurnKind = (typeof TURN_KINDS)[number];

export interface Entry {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface LlamaTurn {
  readonly conversation: string;
  /** Of the conversation, from 1. */
  readonly number: number;
  readonly kind: TurnKind;
  readonly form: Form;
  readonly isStream: boolean;
  readonly entries: readonly Entry[];
  /** That are generated, all of them. */
  readonly tokens: number;
}

/** What a text prompt is made of: the entries' texts, one behind the other. */
export function textOf({ entries }: LlamaTurn): string {
  return entries.map(({ content }) => content).join("");
}
