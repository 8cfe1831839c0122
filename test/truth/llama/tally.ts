/** What a truth run with llama-servers counts, and what of it is wrong. */
import type { Comparison } from "../../../demo/llama/fresh.ts";
import { count, countersOf } from "../counts.ts";
import type { Broken, Whole } from "./ask.ts";
import { FAULTS, type FaultKind } from "./faults.ts";
import { type LlamaTurn, TURN_KINDS } from "./turn.ts";

/** Of the prompts' tokens, at the least: with less of them reused, equal answers say nothing. */
const LEAST_REUSED = 0.3;
/** Of all turns, at the most. */
const MOST_BROKEN = 0.25;
const SHOWN = 10;

export class LlamaTally {
  readonly #seed: number;
  readonly #byKind = countersOf(TURN_KINDS);
  readonly #faults = countersOf(FAULTS);
  readonly #broken: Record<string, number> = {};
  readonly #statuses: Record<string, number> = {};
  readonly #problems: string[] = [];
  #turns = 0;
  #answers = 0;
  #promptTokens = 0;
  #reusedTokens = 0;
  #excused = 0;
  #differences = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get differences(): number {
    return this.#differences;
  }

  asked({ kind }: LlamaTurn): void {
    this.#turns += 1;
    this.#byKind[kind] += 1;
  }

  fault(kind: FaultKind): void {
    this.#faults[kind] += 1;
  }

  answered(answer: Whole): void {
    this.#answers += 1;
    this.#promptTokens += answer.promptTokens;
    this.#reusedTokens += answer.cachedTokens;
    count(this.#statuses, answer.kvStatus.replace(/^reused=\d+ slot=\d+ from=/, ""));
  }

  compared(turn: LlamaTurn, answer: Whole, { isSame, excused, expected }: Comparison): void {
    this.#excused += excused;
    if (isSame && answer.text.length === turn.tokens) return;
    this.#differences += 1;
    if (this.#differences > SHOWN) return;
    this.problem(`another answer: ${JSON.stringify({ seed: this.#seed, turn, answer, expected })}`);
  }

  /** `isExplained`: by something that was taken away meanwhile, or by the client's own going. */
  broken(turn: LlamaTurn, broken: Broken, isExplained: boolean): void {
    count(this.#broken, broken.how);
    if (isExplained) return;
    this.problem(`no answer: ${JSON.stringify({ seed: this.#seed, turn, broken })}`);
  }

  problem(line: string): void {
    this.#problems.push(line);
  }

  /** Of a run that is over: what is wrong with it, or with what it shows. */
  problems(happened: Readonly<Record<string, number>>): readonly string[] {
    const least = Math.floor(LEAST_REUSED * this.#promptTokens);
    const brokenTurns = Object.values(this.#broken).reduce((sum, each) => sum + each, 0);
    const never = Object.entries({ ...this.#faults, ...this.#byKind, ...happened }).filter(
      ([, n]) => n === 0,
    );
    return [
      ...this.#problems,
      ...(this.#reusedTokens < least ? [`reused_tokens ${this.#reusedTokens} < ${least}`] : []),
      ...(brokenTurns > MOST_BROKEN * this.#turns ? [`${brokenTurns} turns were broken`] : []),
      ...never.map(([kind]) => `${kind} never happened`),
    ];
  }

  line(more: object): object {
    return {
      suite: "truth-llama",
      seed: this.#seed,
      turns: this.#turns,
      answers: this.#answers,
      prompt_tokens: this.#promptTokens,
      reused_tokens: this.#reusedTokens,
      excused: this.#excused,
      differences: this.#differences,
      broken: this.#broken,
      kinds: this.#byKind,
      faults: this.#faults,
      kv: this.#statuses,
      ...more,
    };
  }
}
