/**
 * A server with slots, in memory, as `llama-server` was seen to be: a request runs in the slot that it names, or in any that is free; each has a task number of its own; a prompt is computed
 * from where it parts with what is in the slot; a save writes what is there, a restore puts it there, and a request waits while its slot is saved. Tokens are words.
 *
 * It keeps watch: what nobody may ask of a server is thrown, and fails the test.
 */
import type { Clock, Scheduler } from "../../../src/clock.ts";
import type { EngineInstance } from "../../../src/kv/records.ts";
import {
  SlotFault,
  type SlotFaultCode,
  type SlotFile,
  type SlotLook,
  type SlotServer,
} from "../../../src/kv/slots/slot-server.ts";
import { unlessOver } from "../../../src/kv/slots/unless-over.ts";
import type { StagedName } from "../../../src/kv/staging.ts";

export type SlotCall = "look" | "save" | "restore" | "erase";

/** What a save writes: the words of its slot. */
export type StagedFiles = Map<StagedName, readonly string[]>;

export interface SlotRequest {
  readonly prompt: string;
  readonly output: string;
  /** By a client that asked no desk. */
  readonly isStrange?: boolean;
}

export interface RunningRequest {
  /** How many of the prompt's words were in the slot. */
  readonly cachedTokens: number;
  /** The answer is whole; what is in the slot is as the engine says. */
  finish(): { readonly promptTokens: number; readonly outputTokens: number };
  /** The client left after so many words of the answer. */
  cut(outputTokens: number): void;
}

interface ModelSlot {
  words: readonly string[];
  task: number | undefined;
  running: SlotRequest | undefined;
  /** A save, a restore or an erasing. */
  isStill: boolean;
}

interface StillCall {
  readonly slot: number;
  readonly call: Exclude<SlotCall, "look">;
  readonly signal: AbortSignal | undefined;
}

const NEVER = AbortSignal.any([]);
const FILE_HEAD_BYTES = 152;
const TOKEN_BYTES = 1040;

export class SlotServerModel implements SlotServer {
  readonly instance = "process-1" as EngineInstance;
  readonly geometry = new Uint8Array(33);
  readonly location = "disk";
  readonly slots: number;
  /** May change, so that what one server saved is another's to restore. */
  contextTokens: number;
  readonly files: StagedFiles = new Map();
  /** How long the next calls take. */
  readonly delaysMs: Record<SlotCall, number> = { look: 0, save: 0, restore: 0, erase: 0 };
  /** What they answer, each once: `refused` in place of doing it. */
  readonly faults: Record<SlotCall, SlotFaultCode[]> = {
    look: [],
    save: [],
    restore: [],
    erase: [],
  };
  /** All that was asked for, but looks: `save 0`. */
  readonly calls: string[] = [];
  /** What a save or a restore says too much of. */
  readonly surplus = { tokens: 0, bytes: 0 };
  guesses = false;
  /** So many looks reject, which they never may. */
  bugs = 0;
  readonly #clock: Clock & Scheduler;
  readonly #slots: ModelSlot[];
  readonly #names = new Set<StagedName>();
  #last: Promise<unknown> = Promise.resolve();
  #tasks = 0;

  constructor(slots: number, clock: Clock & Scheduler, contextTokens = 4_096) {
    this.slots = slots;
    this.contextTokens = contextTokens;
    this.#clock = clock;
    this.#slots = Array.from({ length: slots }, () => ({
      words: [],
      task: undefined,
      running: undefined,
      isStill: false,
    }));
  }

  async look(): Promise<readonly SlotLook[] | SlotFault> {
    if (this.bugs-- > 0) throw new Error("a bug");
    const code = this.faults.look.shift();
    await this.#inTurn(() => this.#pass(this.delaysMs.look));
    if (code !== undefined) return faultOf(code);
    return this.#slots.map(({ words, task, running }, id) => ({
      id,
      isBusy: running !== undefined,
      task,
      // Before its first request a slot tells nothing of itself.
      tokens: task === undefined ? 0 : words.length,
      guesses: this.guesses,
    }));
  }

  async save(slot: number, name: StagedName, signal?: AbortSignal): Promise<SlotFile | SlotFault> {
    return await this.#still({ slot, call: "save", signal }, (at) => {
      this.#useName(name);
      this.files.set(name, at.words);
      return this.#fileOf(at.words);
    });
  }

  async restore(
    slot: number,
    name: StagedName,
    signal?: AbortSignal,
  ): Promise<SlotFile | SlotFault> {
    return await this.#still({ slot, call: "restore", signal }, (at) => {
      const words = this.files.get(name);
      at.words = words ?? [];
      return words === undefined ? faultOf("refused") : this.#fileOf(words);
    });
  }

  async erase(slot: number, signal?: AbortSignal): Promise<undefined | SlotFault> {
    const file = await this.#still({ slot, call: "erase", signal }, (at) => {
      at.words = [];
      return this.#fileOf([]);
    });
    return file instanceof SlotFault ? file : undefined;
  }

  /** The request runs in that slot from now on; undefined, for a stranger alone: the first that is free. */
  begin(slot: number | undefined, request: SlotRequest): RunningRequest {
    const free = this.#slots.find(({ running, isStill }) => running === undefined && !isStill);
    const at = slot === undefined ? free : this.#at(slot);
    if (at === undefined) throw new Error("all slots are busy");
    if (at.running !== undefined || at.isStill) {
      throw new Error(`slot ${slot} is given to two at once`);
    }
    const prompt = wordsOf(request.prompt);
    const parting = prompt.findIndex((word, place) => word !== at.words[place]);
    const cachedTokens = parting === -1 ? prompt.length - 1 : parting;
    at.task = ++this.#tasks;
    at.running = request;
    at.words = prompt;
    const end = (words: readonly string[]): void => {
      at.running = undefined;
      at.words = [...prompt, ...words];
    };
    const output = wordsOf(request.output);
    return {
      cachedTokens,
      finish: () => {
        // The last word is said, and in no slot.
        end(output.slice(0, -1));
        return { promptTokens: prompt.length, outputTokens: output.length };
      },
      cut: (tokens) => end(output.slice(0, tokens)),
    };
  }

  /** A whole request of somebody who asked no desk. */
  intrude(slot: number, prompt: string): void {
    this.begin(slot, { prompt, output: "x", isStrange: true }).finish();
  }

  /** As `intrude`, at once, whatever is done with the slot: it came just before. */
  overwrite(slot: number, prompt: string): void {
    Object.assign(this.#at(slot), { words: wordsOf(prompt), task: ++this.#tasks });
  }

  /** As the server does when a request starts elsewhere and its idle slots are not to be kept. */
  clear(slot: number): void {
    this.#at(slot).words = [];
  }

  wordsIn(slot: number): readonly string[] {
    return this.#at(slot).words;
  }

  /** A request runs there, or it is saved, restored or erased. */
  isBusy(slot: number): boolean {
    return this.#at(slot).running !== undefined || this.#at(slot).isStill;
  }

  async #still(
    { slot, call, signal }: StillCall,
    act: (at: ModelSlot) => SlotFile | SlotFault,
  ): Promise<SlotFile | SlotFault> {
    this.calls.push(`${call} ${slot}`);
    const at = this.#at(slot);
    if (at.isStill) throw new Error(`slot ${slot} is asked for two things at once`);
    if (at.running !== undefined && at.running.isStrange !== true) {
      throw new Error(`${call} of slot ${slot}, where a turn runs`);
    }
    at.isStill = true;
    const code = this.faults[call].shift();
    const delayMs = this.delaysMs[call];
    const answer = this.#inTurn(async () => {
      await this.#pass(delayMs);
      at.isStill = false;
      const file = code === "refused" ? undefined : act(at);
      return code === undefined ? (file ?? faultOf("refused")) : faultOf(code);
    });
    // What nobody waits for any more is done all the same.
    if (code === "lost") return faultOf(code);
    return (await unlessOver(answer, signal ?? NEVER)) ?? faultOf("lost");
  }

  /** All slots stand still while one is saved or restored, and nobody is told anything. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #pass(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
  }

  /** A name that comes twice would be written into in place, whatever else it is the name of. */
  #useName(name: StagedName): void {
    if (this.#names.has(name)) throw new Error(`${name} is saved onto twice`);
    this.#names.add(name);
  }

  #fileOf({ length }: readonly string[]): SlotFile {
    const { tokens, bytes } = this.surplus;
    return { tokens: length + tokens, bytes: bytesOf(length) + bytes };
  }

  /** A real one takes what is beyond its slots modulo their number. */
  #at(slot: number): ModelSlot {
    const at = this.#slots[slot];
    if (at === undefined) throw new Error(`slot ${slot} of ${this.slots}`);
    return at;
  }
}

export function bytesOf(tokens: number): number {
  return FILE_HEAD_BYTES + TOKEN_BYTES * tokens;
}

export function wordsOf(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "");
}

function faultOf(code: SlotFaultCode): SlotFault {
  return new SlotFault(code, "as the test wants it");
}
