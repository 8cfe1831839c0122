/**
 * One server whose slots hold sessions, as turns need it: what it is, and the three things that are asked of a slot. Owned by the slots; `http-slot-server.ts` speaks to
 * llama.cpp's `llama-server`.
 *
 * What a real one does (b11549): an `id_slot` beyond the last slot is taken modulo their number; a save truncates the file of that name in place; a save or restore of a busy
 * slot waits until it is free; all slots stand still while one is saved or restored; a restored file of other weights, or with a changed byte, is taken without a word; one that is cut short ends the process.
 */
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { EngineInstance } from "../records.ts";
import type { StagedName } from "../staging.ts";

/** By pool and endpoint. */
export interface SlotServers {
  server(pool: string, endpoint: Endpoint): SlotServerState;
}

export type SlotServerState =
  | { readonly kind: "ready"; readonly server: SlotServer }
  /** Turns that go there have no slot of their own. */
  | { readonly kind: "off"; readonly reason: SlotServerOffReason };

/** A value of `x-moorline-kv` and of a metric's label. */
export type SlotServerOffReason =
  | "engine_unknown" // it has not answered yet, or not since it was lost
  | "engine_mismatch" // its slots or its context are not what the configuration says
  | "slots_off" // it answers 404 or 501 for its slots: it was started without --slots or --slot-save-path
  | "model_unknown" // neither can its model file be read here, nor does the configuration name the model
  | "no_staging"; // what it saves appears in the staging folder of no location

/** The same object as long as it is the same process with the same model. */
export interface SlotServer {
  readonly instance: EngineInstance;
  /** Of what its slots hold: model weights, cache types, and the build that computed it. */
  readonly geometry: GeometryKey;
  /** Where it saves, and the only location that it restores from. */
  readonly location: string;
  /** >= 1. Ids are 0 to one less. */
  readonly slots: number;
  /** Tokens of one slot; a longer prompt is refused, and a longer snapshot is not restored. */
  readonly contextTokens: number;
  /** All slots as they are now. */
  look(signal: AbortSignal): Promise<readonly SlotLook[] | SlotFault>;
  save(slot: number, name: StagedName, signal: AbortSignal): Promise<SlotFile | SlotFault>;
  restore(slot: number, name: StagedName, signal: AbortSignal): Promise<SlotFile | SlotFault>;
  /** What it holds is forgotten. */
  erase(slot: number, signal: AbortSignal): Promise<undefined | SlotFault>;
}

export interface SlotLook {
  readonly id: number;
  readonly isBusy: boolean;
  /** Of the last request that ran in it; undefined before the first. Never the same twice in one process. */
  readonly task: number | undefined;
  /** In it now; 0 where the server does not tell. */
  readonly tokens: number;
  /** It guesses tokens ahead, with KV beside the model's own that goes along with it: of that nothing is saved, and a restore leaves it as it was. */
  readonly guesses: boolean;
}

export interface SlotFile {
  readonly tokens: number;
  readonly bytes: number;
}

/** Why a slot's server did not do what was asked of it. */
export class SlotFault extends Error {
  override readonly name = "SlotFault";
  readonly code: SlotFaultCode;
  /** Of the answer that refused it. */
  readonly status: number | undefined;

  constructor(code: SlotFaultCode, message: string, status?: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** `refused`: an answer other than 2xx. `unsound`: an answer that is none. `lost`: no answer, or not in time. */
export type SlotFaultCode = "refused" | "unsound" | "lost";
