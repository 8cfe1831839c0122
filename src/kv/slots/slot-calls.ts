/**
 * What is asked of one server's slots, each time on a connection of its own: the server holds a thread for each that is open. Saving and restoring take as long as the slot is
 * large, and do not get in the way of looking.
 */
import { Agent, request } from "node:http";
import type { Scheduler } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import {
  ANSWER_LIMIT_BYTES,
  type Answer,
  askedBy,
  type EngineTarget,
} from "../engines/engine-connection.ts";
import type { StagedName } from "../staging.ts";
import { type AskedFile, isErased, parseLooks, parseSlotFile, refusalOf } from "./slot-answers.ts";
import { SlotFault, type SlotFile, type SlotLook } from "./slot-server.ts";

export const LOOK_TIMEOUT_MS = 10_000;
/** Some tens of GB to a slow disk. */
export const FILE_TIMEOUT_MS = 300_000;
const LOOKS_AT_A_TIME = 2;

export interface SlotCallsOptions {
  readonly target: EngineTarget;
  /** How many the server has. */
  readonly slots: number;
  readonly scheduler: Scheduler;
}

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly json?: string;
  readonly agent: Agent;
  readonly timeoutMs: number;
}

export class SlotCalls {
  readonly #options: SlotCallsOptions;
  readonly #looks = new Agent({ maxSockets: LOOKS_AT_A_TIME });
  /** One for each slot: the server takes them one by one. */
  readonly #files: Agent;
  readonly #over = new AbortController();

  constructor(options: SlotCallsOptions) {
    this.#options = options;
    this.#files = new Agent({ maxSockets: options.slots });
  }

  async look(signal: AbortSignal): Promise<readonly SlotLook[] | SlotFault> {
    const path = "/slots";
    const call = { method: "GET", path, agent: this.#looks, timeoutMs: LOOK_TIMEOUT_MS } as const;
    const answer = await this.#ask(call, signal);
    if (answer instanceof SlotFault) return answer;
    return parseLooks(answer.text, this.#options.slots) ?? unsound(call);
  }

  save(slot: number, name: StagedName, signal: AbortSignal): Promise<SlotFile | SlotFault> {
    return this.#file({ action: "save", slot, name }, signal);
  }

  restore(slot: number, name: StagedName, signal: AbortSignal): Promise<SlotFile | SlotFault> {
    return this.#file({ action: "restore", slot, name }, signal);
  }

  async erase(slot: number, signal: AbortSignal): Promise<undefined | SlotFault> {
    const call = this.#post("erase", slot, {});
    const answer = await this.#ask(call, signal);
    if (answer instanceof SlotFault) return answer;
    return isErased(answer.text, slot) ? undefined : unsound(call);
  }

  /** The process is gone: what is under way is `lost`, and so is whatever is asked later. Idempotent. */
  close(): void {
    this.#over.abort();
  }

  async #file(asked: AskedFile, signal: AbortSignal): Promise<SlotFile | SlotFault> {
    const call = this.#post(asked.action, asked.slot, { filename: asked.name });
    const answer = await this.#ask(call, signal);
    if (answer instanceof SlotFault) return answer;
    return parseSlotFile(answer.text, asked) ?? unsound(call);
  }

  #post(action: string, slot: number, body: object): Call {
    const { slots } = this.#options;
    if (!Number.isInteger(slot) || slot < 0 || slot >= slots) {
      throw new AppError("internal", `slot ${slot} of ${slots}`); // the server would take another one
    }
    return {
      method: "POST",
      path: `/slots/${slot}?action=${action}`,
      json: JSON.stringify(body),
      agent: this.#files,
      timeoutMs: FILE_TIMEOUT_MS,
    };
  }

  async #ask(call: Call, signal: AbortSignal): Promise<Answer | SlotFault> {
    const { scheduler, target } = this.#options;
    const late = new AbortController();
    const cancel = scheduler.after(call.timeoutMs, () => late.abort());
    try {
      const any = AbortSignal.any([signal, late.signal, this.#over.signal]);
      const answer = await send(target, call, any);
      const { status, text } = answer;
      if (status >= 200 && status <= 299) return answer;
      return new SlotFault("refused", `${status} from ${named(call)}: ${refusalOf(text)}`, status);
    } catch (reason) {
      const why = late.signal.aborted ? `no answer in ${call.timeoutMs} ms` : whyOf(reason);
      return new SlotFault("lost", `${named(call)}: ${why}`);
    } finally {
      cancel();
    }
  }
}

/** Rejects where there is no answer, or more than may be one. */
function send(target: EngineTarget, call: Call, signal: AbortSignal): Promise<Answer> {
  const { host, port } = target;
  const { method, path, json, agent } = call;
  const body = json === undefined ? {} : { "content-type": "application/json" };
  const headers = { ...askedBy(target), ...body };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({ host, port, path, method, headers, agent, signal });
  sent.on("error", reject);
  sent.on("response", (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= ANSWER_LIMIT_BYTES) chunks.push(chunk);
      else sent.destroy(new Error(`an answer of more than ${ANSWER_LIMIT_BYTES} bytes`));
    });
    response.on("error", reject);
    response.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      resolve({ status: response.statusCode ?? 0, text });
    });
  });
  sent.end(json);
  return promise;
}

function named({ method, path }: Call): string {
  return `${method} ${path}`;
}

function unsound(call: Call): SlotFault {
  return new SlotFault("unsound", `the answer to ${named(call)} is none`);
}

function whyOf(reason: unknown): string {
  const { code, message } = reason as NodeJS.ErrnoException;
  return code ?? message;
}
