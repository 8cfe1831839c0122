import type { EngineOffReason } from "../path/engine-directory.ts";
import type { TestEnd } from "./tokenizer-test.ts";

export type EngineStateName = "ready" | EngineOffReason;

export interface EngineChange {
  readonly pool: string;
  /** `ip:port` */
  readonly address: string;
  readonly from: EngineStateName;
  readonly to: EngineStateName;
  /** What the engine says that the profile does not, its first token that is not ours, or how its connection ended; undefined where `to` says it all. */
  readonly why: string | undefined;
}

/** `failed`: the engine may keep the session for as long as it lives. */
export type SessionClosing = "closed" | "failed" | "queue_full";

/** For metrics and logs. Must not throw. */
export interface EngineObserver {
  stateChanged(change: EngineChange): void;
  /** It has never said what it is, and why: told once, until it has. */
  unanswered(engine: Pick<EngineChange, "pool" | "address"> & { readonly why: string }): void;
  /** Told before the change of state that follows from it. */
  tokenizerTested(engine: Pick<EngineChange, "pool" | "address"> & TestEnd): void;
  sessionClosed(result: SessionClosing): void;
}
