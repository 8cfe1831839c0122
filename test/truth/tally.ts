/** What a truth run counts, and what of it is wrong. */
import type { FreshAnswer } from "../../demo/engine/oracle.ts";
import type { Broken, Whole } from "./ask.ts";
import { count, countersOf } from "./counts.ts";
import { FAULTS, type FaultKind } from "./faults.ts";
import { STATELESS } from "./stage.ts";
import { TURN_KINDS, type Turn } from "./turn.ts";

/** Of the prompts' tokens, at the least: with less of them loaded, equal answers say nothing. */
const LEAST_REUSED = 0.05;
/** Of all turns, at the most. */
const MOST_BROKEN = 0.25;
const SHOWN = 10;

export class Tally {
  readonly #seed: number;
  readonly #byKind = countersOf(TURN_KINDS);
  readonly #faults = countersOf(FAULTS);
  readonly #byForm: Record<string, number> = {};
  readonly #broken: Record<string, number> = {};
  readonly #statuses: Record<string, number> = {};
  readonly #actions: Record<string, number> = {};
  readonly #problems: string[] = [];
  #turns = 0;
  #answers = 0;
  #promptTokens = 0;
  #reusedTokens = 0;
  #differences = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get differences(): number {
    return this.#differences;
  }

  asked({ kind, dialect, form, isStream, isForged }: Turn): void {
    this.#turns += 1;
    this.#byKind[kind] += 1;
    if (isForged) this.did("forged");
    count(this.#byForm, `${dialect} ${form} ${isStream ? "events" : "json"}`);
  }

  did(action: string): void {
    count(this.#actions, action);
  }

  fault(kind: FaultKind): void {
    this.#faults[kind] += 1;
  }

  answered(turn: Turn, answer: Whole): void {
    this.#answers += 1;
    this.#promptTokens += turn.prompt.length;
    count(this.#statuses, answer.kvStatus.replace(/=[1-9]\d*$/, "=n"));
    // What these have cached they have loaded.
    if (STATELESS.has(answer.engine)) this.#reusedTokens += answer.cachedTokens;
  }

  compared(turn: Turn, answer: Whole, fresh: FreshAnswer): void {
    const { prompt, dialect, form, conversation, number, kind } = turn;
    const isEqual =
      answer.text === fresh.text &&
      answer.digest === fresh.digest &&
      answer.promptTokens === prompt.length &&
      (answer.outputIds === undefined || answer.outputIds.join() === fresh.ids.join()) &&
      !answer.hasOurs;
    if (isEqual) return;
    this.#differences += 1;
    if (this.#differences > SHOWN) return;
    const { text, digest, engine, kvStatus, cachedTokens, promptTokens, hasOurs } = answer;
    const where = { seed: this.#seed, conversation, turn: number, kind, dialect, form };
    const got = { text, digest, promptTokens, hasOurs, engine, kv: kvStatus, cachedTokens };
    const expected = { text: fresh.text, digest: fresh.digest, promptTokens: prompt.length };
    this.problem(`another answer: ${JSON.stringify({ ...where, got, expected, prompt })}`);
  }

  /** `isExplained`: by something that was taken away meanwhile, or by the client's own going; by no bug can it be. */
  broken(turn: Turn, { how, detail, reason }: Broken, isExplained: boolean): void {
    count(this.#broken, how);
    if (isExplained) return;
    const { conversation, number, kind, dialect, form } = turn;
    const where = { seed: this.#seed, conversation, turn: number, kind, dialect, form };
    this.problem(`no answer: ${JSON.stringify({ ...where, how, detail, reason })}`);
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
      suite: "truth",
      seed: this.#seed,
      turns: this.#turns,
      answers: this.#answers,
      prompt_tokens: this.#promptTokens,
      reused_tokens: this.#reusedTokens,
      differences: this.#differences,
      broken: this.#broken,
      kinds: this.#byKind,
      faults: this.#faults,
      actions: this.#actions,
      forms: this.#byForm,
      kv: this.#statuses,
      ...more,
    };
  }
}
