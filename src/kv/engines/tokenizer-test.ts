/**
 * Whether an engine's tokenizer is ours, by its own answers to probes: SGLang's and vLLM's `POST /tokenize`. What an engine does not
 * take (it has no such path, or an older release takes no messages) is no difference: the counts of its answers still tell.
 */
import type { TokenizerProbe } from "../tokens/tokenizer-probes.ts";
import type { Answer } from "./engine-connection.ts";

export const TOKENIZE = "/tokenize";

export type TestResult =
  | "passed"
  | "partial" // the engine did not take every probe, or writes out tools otherwise
  | "untested" // or none
  | "mismatch";

export interface TestEnd {
  readonly result: TestResult;
  /** In words: the first difference, or what was not taken and why. Undefined where it passed. */
  readonly why: string | undefined;
  /** It makes other tokens of a chat with tools alone. */
  readonly hasOtherTools?: true;
}

/** It has no such path, for any probe. */
const NO_PATH: ReadonlySet<number> = new Set([404, 405, 501]);

export class TokenizerTest {
  readonly #probes: readonly TokenizerProbe[];
  #next = 0;
  /** Of the probe before. Undefined: it was not taken. */
  #before: readonly number[] | undefined;
  readonly #untaken: string[] = [];
  /** In words: how it writes out tools otherwise. */
  #otherTools: string | undefined;

  /** With at least one probe. */
  constructor(probes: readonly TokenizerProbe[]) {
    this.#probes = probes;
  }

  /** For `TOKENIZE`, until the test is over. */
  get question(): string {
    return this.#probes[this.#next]?.request ?? "";
  }

  /** Takes the answer to the question; undefined: there is another one. */
  answered({ status, text }: Answer): TestEnd | undefined {
    const probe = this.#probes[this.#next];
    if (NO_PATH.has(status)) return { result: "untested", why: `${status} from POST ${TOKENIZE}` };
    const said = status >= 200 && status <= 299 ? tokensOf(text) : undefined;
    if (said === undefined) this.#untaken.push(`${probe?.name}: ${status}`);
    else if (probe !== undefined) {
      const why = this.#difference(probe, said);
      if (why !== undefined && probe.isOfTools !== true) return { result: "mismatch", why };
      this.#otherTools ??= why;
    }
    this.#before = said;
    this.#next++;
    return this.#next < this.#probes.length ? undefined : this.#endOfAll();
  }

  #endOfAll(): TestEnd {
    if (this.#otherTools !== undefined) {
      const why = [this.#otherTools, ...this.#untaken].join(", ");
      return { result: "partial", why, hasOtherTools: true };
    }
    const untaken = this.#untaken.length;
    if (untaken === 0) return { result: "passed", why: undefined };
    const result = untaken === this.#probes.length ? "untested" : "partial";
    return { result, why: this.#untaken.join(", ") };
  }

  #difference({ name, ids }: TokenizerProbe, said: readonly number[]): string | undefined {
    const probe = `probe ${this.#next} (${name})`;
    if (ids === "any") return undefined;
    if (ids === "one_more") {
      if (this.#before === undefined || isOneMore(said, this.#before)) return undefined;
      return `${probe}: ${said.join(" ")}, after ${this.#before.join(" ")}`;
    }
    if (isEqual(said, ids)) return undefined;
    const at = ids.findIndex((id, index) => said[index] !== id);
    const first = at === -1 ? ids.length : at;
    const end = "its end";
    const [theirs, ours] = [said[first] ?? end, ids[first] ?? end];
    return `${probe} at token ${first}: ${theirs}, not ${ours}`;
  }
}

/** Undefined: the answer is no list of ids. */
function tokensOf(text: string): readonly number[] | undefined {
  try {
    const tokens = (JSON.parse(text) as { tokens?: unknown } | null)?.tokens;
    return Array.isArray(tokens) && tokens.every((id) => Number.isSafeInteger(id))
      ? (tokens as number[])
      : undefined;
  } catch {
    return undefined;
  }
}

function isEqual(said: readonly number[], ids: Uint32Array): boolean {
  return said.length === ids.length && said.every((id, index) => id === ids[index]);
}

function isOneMore(said: readonly number[], before: readonly number[]): boolean {
  const isSame = before.slice(0, -1).every((id, index) => id === said[index]);
  return isSame && said.length === before.length + 1;
}
