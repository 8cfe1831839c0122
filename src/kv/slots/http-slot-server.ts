/** llama.cpp's `llama-server`, when everything is known of it. */
import type { GeometryKey } from "../model/geometry-key.ts";
import type { EngineInstance } from "../records.ts";
import type { StagedName } from "../staging.ts";
import type { SlotCalls } from "./slot-calls.ts";
import type { SlotFault, SlotFile, SlotLook, SlotServer } from "./slot-server.ts";

export interface SlotServerFacts {
  readonly instance: EngineInstance;
  readonly geometry: GeometryKey;
  readonly location: string;
  readonly slots: number;
  readonly contextTokens: number;
}

export class HttpSlotServer implements SlotServer {
  readonly instance: EngineInstance;
  readonly geometry: GeometryKey;
  readonly location: string;
  readonly slots: number;
  readonly contextTokens: number;
  readonly #calls: SlotCalls;

  /** `calls`: closed by whoever opened them. */
  constructor(facts: SlotServerFacts, calls: SlotCalls) {
    this.instance = facts.instance;
    this.geometry = facts.geometry;
    this.location = facts.location;
    this.slots = facts.slots;
    this.contextTokens = facts.contextTokens;
    this.#calls = calls;
  }

  look(signal: AbortSignal): Promise<readonly SlotLook[] | SlotFault> {
    return this.#calls.look(signal);
  }

  save(slot: number, name: StagedName, signal: AbortSignal): Promise<SlotFile | SlotFault> {
    return this.#calls.save(slot, name, signal);
  }

  restore(slot: number, name: StagedName, signal: AbortSignal): Promise<SlotFile | SlotFault> {
    return this.#calls.restore(slot, name, signal);
  }

  erase(slot: number, signal: AbortSignal): Promise<undefined | SlotFault> {
    return this.#calls.erase(slot, signal);
  }
}
