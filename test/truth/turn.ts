/** One prompt of the truth run, with all that its answer depends on. */
import type { Sampling } from "../../demo/engine/protocol/sampling.ts";
import type { DialectName } from "../../src/kv/dialects/dialect.ts";

/** Those of engines that store what they are told to. */
export type TruthDialect = Exclude<DialectName, "llamacpp-slots">;

/** `spelled`: a text, sent as the ids that an engine would make of it. */
export type Form = "text" | "spelled" | "ids" | "chat";

/** `gone_on`: the answer itself goes on, with nothing new from the user. `left`: the client goes in mid-stream, or before there is an answer. */
export const TURN_KINDS = [
  "opening",
  "continued",
  "regenerated",
  "gone_on",
  "edited",
  "concurrent",
  "left",
] as const;
export type TurnKind = (typeof TURN_KINDS)[number];

export interface Turn {
  readonly conversation: string;
  /** Of the conversation, from 1. */
  readonly number: number;
  readonly kind: TurnKind;
  readonly form: Form;
  /** The conversation's own, up to this prompt. */
  readonly entries: readonly unknown[];
  readonly tenant: string;
  readonly retentionClass: string;
  /** Of the pool that it goes to. */
  readonly dialect: TruthDialect;
  /** The session is over with it. */
  readonly isFinal: boolean;
  readonly isStream: boolean;
  /** What an engine must make of the fields. */
  readonly prompt: readonly number[];
  readonly fields: Readonly<Record<string, unknown>>;
  readonly sampling: Sampling;
  /** How its JSON is written. */
  readonly spelling: "plain" | "escaped" | "indented";
  /** It has members that only the service may send, naming a file of bytes that are no KV. */
  readonly isForged: boolean;
}
