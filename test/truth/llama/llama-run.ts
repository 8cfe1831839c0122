/**
 * Random conversations with real llama-servers through everything, and every greedy answer compared with that of a server that has
 * nothing in its slots. The seed decides what is asked and what is done to the parts; what meets what is up to the machine.
 */
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "../../../client/index.ts";
import { FreshServer } from "../../../demo/llama/fresh.ts";
import { randomModelFile, TINY_MODEL } from "../../../demo/llama/model.ts";
import { type LlamaStage, startLlamaStage } from "../../../demo/llama/stage.ts";
import { seededRandom } from "../../support/random.ts";
import { Counters } from "../counters.ts";
import { Outages } from "../outages.ts";
import type { TruthOptions, TruthReport } from "../truth-run.ts";
import { ask, type Broken, type Whole } from "./ask.ts";
import { type ConversationOptions, LlamaConversation } from "./conversation.ts";
import { FAULTS, type FaultKind, LlamaFaults } from "./faults.ts";
import { LlamaTally } from "./tally.ts";
import { type LlamaTurn, textOf } from "./turn.ts";

const SLOTS = { slots: 2, contextTokens: 4096 };
/** More turns at once than there are slots. */
const LANES = 6;
const MOST_CONVERSATIONS = 40;
const TURNS_PER_CONVERSATION = 8;
/** Turns before something happens, and in a round at the least. */
const QUIET_TURNS = 3;
const LEAST_ROUND_TURNS = 7;
const LEAST_ROUNDS = FAULTS.length;
/** As whoever is told that there is no answer. */
const REFUSED_PAUSE_MS = 500;

export async function runLlamaTruth(options: TruthOptions): Promise<TruthReport> {
  const model = await randomModelFile(TINY_MODEL);
  await using parts = new AsyncDisposableStack();
  const fresh = new FreshServer({ model, contextTokens: SLOTS.contextTokens });
  parts.defer(() => fresh.close());
  await fresh.start();
  const stage = await startLlamaStage({ model, ...SLOTS });
  parts.defer(() => stage.close());
  return await new LlamaRun(options, { stage, fresh }).run();
}

interface Parts {
  readonly stage: LlamaStage;
  readonly fresh: FreshServer;
}

class LlamaRun {
  readonly #options: TruthOptions;
  readonly #stage: LlamaStage;
  readonly #fresh: FreshServer;
  readonly #random: () => number;
  readonly #outages = new Outages(() => performance.now());
  readonly #faults: LlamaFaults;
  readonly #tally: LlamaTally;
  readonly #counters = new Counters();
  readonly #most: number;
  /** Those that nobody asks at the moment. */
  readonly #idle: LlamaConversation[] = [];
  /** Each judges one broken answer; the outage that explains it may last. */
  readonly #judgements: (() => void)[] = [];
  /** One after the other, beside the turns. */
  #comparisons: Promise<void> = Promise.resolve();
  #open = 0;
  #made = 0;
  #left = 0;

  constructor(options: TruthOptions, { stage, fresh }: Parts) {
    this.#options = options;
    this.#stage = stage;
    this.#fresh = fresh;
    this.#random = seededRandom(options.seed);
    this.#tally = new LlamaTally(options.seed);
    this.#most = Math.min(MOST_CONVERSATIONS, Math.ceil(options.turns / TURNS_PER_CONVERSATION));
    const random = seededRandom(options.seed + 1);
    this.#faults = new LlamaFaults({ stage, outages: this.#outages, random });
  }

  async run(): Promise<TruthReport> {
    const startedMs = performance.now();
    const { turns, isSabotage } = this.#options;
    const perRound = Math.max(LEAST_ROUND_TURNS, Math.ceil(turns / (3 * LEAST_ROUNDS)));
    let rest = turns;
    for (let round = 0; rest > 0; round += 1) {
      const now = Math.min(perRound, rest);
      rest -= now;
      if (isSabotage) await this.#faults.sabotage();
      await this.#round(isSabotage ? "none" : (FAULTS[round % FAULTS.length] ?? "none"), now);
    }
    await this.#comparisons;
    for (const judge of this.#judgements) judge();
    await this.#counters.keep(this.#stage.moorline.adminUrl);
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    return {
      line: this.#tally.line({ moorline: this.#moorlineCounts(), seconds }),
      differences: this.#tally.differences,
      problems: this.#tally.problems(this.#happened()),
    };
  }

  async #round(kind: FaultKind, turns: number): Promise<void> {
    const isDone = await this.#faults.before(kind);
    this.#left = turns;
    let during: Promise<void> | undefined;
    const lanes = Array.from({ length: LANES }, async () => {
      while (this.#left > 0) {
        if (this.#left <= turns - QUIET_TURNS) during ??= this.#during(kind);
        await this.#step(this.#take());
      }
    });
    await Promise.all(lanes);
    await during;
    if (isDone) this.#tally.fault(kind);
  }

  async #during(kind: FaultKind): Promise<void> {
    if (kind === "moorline_killed") await this.#counters.keep(this.#stage.moorline.adminUrl);
    await this.#faults.during(kind);
  }

  async #step(conversation: LlamaConversation): Promise<void> {
    if (conversation.hasAnswer && this.#random() < 0.08) await this.#fork(conversation);
    const turns = conversation.next();
    this.#left -= turns.length;
    await Promise.all(turns.map(async (turn) => this.#ask(conversation, turn)));
    if (conversation.isOver) this.#open -= 1;
    else this.#idle.push(conversation);
  }

  #take(): LlamaConversation {
    const isNew = this.#open < this.#most && this.#random() < 0.4;
    const at = Math.floor(this.#random() * this.#idle.length);
    const [found] = isNew ? [] : this.#idle.splice(at, 1);
    if (found !== undefined) return found;
    this.#open += 1;
    return new LlamaConversation(this.#identity());
  }

  #identity(): ConversationOptions {
    return { seed: this.#options.seed, number: this.#made++ };
  }

  /** The API may be away. */
  async #fork(parent: LlamaConversation): Promise<void> {
    const child = parent.fork(this.#identity());
    const client = createClient({ url: this.#stage.apiUrl });
    const params = { path: { id: parent.id } };
    const call = client.POST("/v1/sessions/{id}/fork", { params, body: { id: child.id } });
    const isDone = await call.then(
      ({ response }) => response.ok,
      () => false,
    );
    if (!isDone) return;
    this.#open += 1;
    this.#idle.push(child);
  }

  async #ask(conversation: LlamaConversation, turn: LlamaTurn): Promise<void> {
    this.#tally.asked(turn);
    const fromMs = performance.now();
    const asked = await ask(this.#stage.url, turn);
    const untilMs = performance.now();
    if (asked.kind === "whole") return this.#answered(conversation, turn, asked);
    this.#judgements.push(() => this.#judge(turn, asked, [fromMs, untilMs]));
    if (asked.how !== "left") await pause(REFUSED_PAUSE_MS);
  }

  #answered(conversation: LlamaConversation, turn: LlamaTurn, answer: Whole): void {
    this.#tally.answered(answer);
    conversation.answered(turn, answer.text);
    this.#comparisons = this.#comparisons.then(async () => {
      const text = turn.form === "chat" ? await this.#fresh.render(turn.entries) : textOf(turn);
      this.#tally.compared(turn, answer, await this.#fresh.compare(text, answer.text));
    });
  }

  #judge(turn: LlamaTurn, broken: Broken, [fromMs, untilMs]: readonly [number, number]): void {
    const isExplained = broken.how === "left" || this.#outages.explain(fromMs, untilMs);
    this.#tally.broken(turn, broken, isExplained && broken.how !== "malformed");
  }

  /** What Moorline must have met by itself. */
  #happened(): Readonly<Record<string, number>> {
    if (this.#options.isSabotage) return {};
    const seats = (labels: Readonly<Record<string, string>>) =>
      this.#counters.total("kv_slot_seats_total", labels);
    return {
      resident: seats({ from: "resident" }),
      restored: seats({ from: "restored" }),
      damage_found: seats({ why: "damaged" }),
      displaced: this.#counters.total("kv_slot_displaced_total"),
    };
  }

  #moorlineCounts(): object {
    return {
      turns: this.#counters.byLabel("kv_turns_total"),
      ends: this.#counters.byLabel("kv_turn_ends_total"),
      saves: this.#counters.byLabel("kv_slot_saves_total"),
      restores: this.#counters.byLabel("kv_slot_restores_total"),
      displaced: this.#counters.byLabel("kv_slot_displaced_total"),
      failures: this.#counters.byLabel("kv_slot_failures_total"),
    };
  }
}
