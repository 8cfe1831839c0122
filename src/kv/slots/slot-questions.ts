/**
 * What llama.cpp's servers are asked over the connection by which their process is watched, and what the answers say of it.
 *
 * Of one that is known already, nothing is asked that its one loop would have to answer: that stands still while a slot is saved or a long prompt is read, which may take minutes, keeps a
 * server that would go to sleep awake, and wakes one that is asleep.
 */
import { AppError } from "../../errors.ts";
import type { Answer } from "../engines/engine-connection.ts";
import type { Finding, Question, Questions } from "../engines/process-watch.ts";
import type { EngineInstance } from "../records.ts";
import { parseLooks } from "./slot-answers.ts";
import {
  difference,
  type ExpectedSlots,
  hasAdapter,
  isSame,
  parseProps,
  type SlotOff,
  type SlotProps,
  type SlotStanding,
} from "./slot-process.ts";
import type { SlotServerOffReason } from "./slot-server.ts";

/**
 * llama.cpp closes a connection with the answer to its 100th request (b11549; `max=100` in its `keep-alive`). The rest of them are for as many tries to open another one.
 */
export const QUESTIONS_PER_CONNECTION = 50;

export interface SlotQuestionsOptions {
  readonly expected: ExpectedSlots;
  /** Never the same twice, in no process. */
  readonly newInstance: () => EngineInstance;
}

type Path = "/health" | "/props" | "/slots" | "/lora-adapters";
type Next = Question | Finding<SlotStanding>;

const OFF: Readonly<Record<SlotServerOffReason, SlotOff>> = {
  engine_unknown: { kind: "off", reason: "engine_unknown" },
  engine_mismatch: { kind: "off", reason: "engine_mismatch" },
  slots_off: { kind: "off", reason: "slots_off" },
  model_unknown: { kind: "off", reason: "model_unknown" },
  no_staging: { kind: "off", reason: "no_staging" },
};

/** One object for each reason. */
export function slotsOff(reason: SlotServerOffReason): SlotOff {
  return OFF[reason];
}

/** It does not have that path, or not to answer on it. */
export const NOT_THERE: ReadonlySet<number | undefined> = new Set([404, 501]);

export class SlotQuestions implements Questions<SlotStanding> {
  readonly #options: SlotQuestionsOptions;
  #asked: Path = "/props";
  /** Of the round. */
  #props: SlotProps | undefined;

  constructor(options: SlotQuestionsOptions) {
    this.#options = options;
  }

  first(round: "introduction" | "presence"): Question {
    return this.#ask(round === "introduction" ? "/props" : "/health");
  }

  answered(answer: Answer, state: SlotStanding): Next {
    const { status, text } = answer;
    const asked = this.#asked;
    const isThere = status >= 200 && status <= 299;
    if (asked === "/slots" && NOT_THERE.has(status)) return off("slots_off", from(status, asked));
    if (asked === "/lora-adapters" && NOT_THERE.has(status)) return this.#introduced();
    if (!isThere) return { kind: "lost", why: from(status, asked) };
    switch (asked) {
      case "/health":
        return { kind: "found", state, why: undefined };
      case "/props":
        return this.#described(text, state);
      case "/slots":
        return this.#shown(text);
      case "/lora-adapters":
        return this.#adapted(text);
    }
  }

  #ask(path: Path): Question {
    this.#asked = path;
    return { path };
  }

  #described(text: string, state: SlotStanding): Next {
    const props = parseProps(text);
    if (typeof props === "string") return off("engine_mismatch", `${props} from GET /props`);
    if (props.isAsleep) return off("engine_unknown", "it sleeps");
    const why = difference(props, this.#options.expected);
    if (why !== undefined) return off("engine_mismatch", why);
    this.#props = props;
    const isKnown = state.kind === "process" && isSame(state, props);
    return isKnown ? { kind: "found", state, why: undefined } : this.#ask("/slots");
  }

  #shown(text: string): Next {
    const slots = this.#props?.slots ?? 0;
    if (parseLooks(text, slots) !== undefined) return this.#ask("/lora-adapters");
    return off("engine_mismatch", `no ${slots} slots from GET /slots`);
  }

  #adapted(text: string): Next {
    const isAdapted = hasAdapter(text);
    if (isAdapted === undefined) return { kind: "lost", why: "no list from GET /lora-adapters" };
    return isAdapted
      ? off("engine_mismatch", "its KV may be an adapter's, by GET /lora-adapters")
      : this.#introduced();
  }

  #introduced(): Next {
    if (this.#props === undefined) throw new AppError("internal", "adapters before properties");
    const instance = this.#options.newInstance();
    const state = { ...this.#props, kind: "process", instance } as const;
    return { kind: "found", state, why: undefined };
  }
}

function off(reason: SlotServerOffReason, why: string): Finding<SlotStanding> {
  return { kind: "found", state: slotsOff(reason), why };
}

function from(status: number, path: Path): string {
  return `${status} from GET ${path}`;
}
