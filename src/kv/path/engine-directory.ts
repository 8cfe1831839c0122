/** What is known of the engine process behind an endpoint, as far as turns need it. Owned by the request path. */
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { EngineInstance } from "../records.ts";

export interface EngineDirectory {
  engine(pool: string, endpoint: Endpoint): EngineState;
  /**
   * The engine counted other tokens than a prompt can have, so nothing that we know of its prompts holds: off until its connection
   * is another, as after each restart.
   */
  miscounted(pool: string, endpoint: Endpoint): void;
  /** It encodes answers, though nothing was asked of the kind, so none of them can be read: off for as long. */
  encoded(pool: string, endpoint: Endpoint): void;
  /**
   * What an answer says of the weights that computed it. False: they are not those of the pool's profile, so the engine is off until
   * it says itself again what it is.
   */
  confirmsWeights(pool: string, endpoint: Endpoint, weightVersion: unknown): boolean;
  /** Tells the engine that a session of ours is over. Returns at once; that it fails is nobody's harm. */
  closeSession(endpoint: Endpoint, engineSession: string): void;
}

export type EngineState =
  | {
      readonly kind: "ready";
      readonly instance: EngineInstance;
      /** Its streams of chats tell their usage to whoever does not ask. False unless given. */
      readonly tellsUsage?: boolean;
      /** A longer prompt it refuses or cuts off. Undefined: nobody knows. */
      readonly maxPromptTokens?: number | undefined;
      /** It makes other tokens of chats with tools than we do: those have no KV there. */
      readonly hasOtherTools?: boolean;
    }
  /** Turns that go there neither load nor store. */
  | { readonly kind: "off"; readonly reason: EngineOffReason };

/** A value of `x-moorline-kv` and of a metric's label. */
export type EngineOffReason =
  | "engine_unknown" // it has not answered yet, or not since it was lost
  | "engine_mismatch" // what it says of itself, or in an answer, is not what the pool's profile says
  | "engine_misplaces" // by what it says of itself: it would load KV to a wrong place of its own cache
  | "tokenizer_mismatch" // it made other tokens of a text than we do, when it was tested
  | "engine_miscounted" // or of a turn's prompt, or fewer than it was given to load
  | "engine_encodes"; // its answers, so that nobody can read them
