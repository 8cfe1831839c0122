/**
 * Random conversations through everything, and every answer compared with that of a fresh engine. The seed decides what is asked and
 * what is done to the parts; what meets what is up to the machine.
 */
import { setTimeout as pause } from "node:timers/promises";
import { EngineTokenizer } from "../../demo/engine/tokenizer/engine-tokenizer.ts";
import { seededRandom } from "../support/random.ts";
import { ask, type Broken, type Whole } from "./ask.ts";
import { Conversation, type ConversationOptions } from "./conversation.ts";
import { type EndFault, FAULTS, type FaultKind, Faults } from "./faults.ts";
import { FreshAnswers } from "../../demo/engine/fresh-answers.ts";
import { Outages } from "./outages.ts";
import { TENANTS, TruthStage } from "./stage.ts";
import { Tally } from "./tally.ts";
import type { Turn } from "./turn.ts";

export interface TruthOptions {
  readonly turns: number;
  readonly seed: number;
  /** The bytes are flipped where nobody looks: then answers must differ. */
  readonly isSabotage: boolean;
}

export interface TruthReport {
  /** One JSON object for all that was counted. */
  readonly line: object;
  readonly differences: number;
  /** Empty for a run that shows what it should. */
  readonly problems: readonly string[];
}

const MIB = 2 ** 20;
const LANES = 8;
const CONVERSATIONS = 16;
const PREFIXES = 3;
/** Turns before something happens, and the fewest in a round. */
const QUIET_TURNS = 4;
const ROUND_TURNS = 12;
const LONG_RUN_TURNS = 1000;
/** As whoever is told that there is no answer. */
const REFUSED_PAUSE_MS = 1_000;

export async function runTruth(options: TruthOptions): Promise<TruthReport> {
  const stage = await TruthStage.open(options.turns < LONG_RUN_TURNS ? 2 * MIB : 6 * MIB);
  const fresh = new FreshAnswers("tiny", 2);
  try {
    return await new TruthRun(options, { stage, fresh }).run();
  } finally {
    await fresh.close();
    await stage.close();
  }
}

interface Parts {
  readonly stage: TruthStage;
  readonly fresh: FreshAnswers;
}

class TruthRun {
  readonly #options: TruthOptions;
  readonly #stage: TruthStage;
  readonly #fresh: FreshAnswers;
  readonly #random: () => number;
  readonly #tokenizer = new EngineTokenizer();
  readonly #outages = new Outages(() => performance.now());
  readonly #faults: Faults;
  readonly #tally: Tally;
  readonly #conversations: Conversation[] = [];
  /** Those that nobody asks at the moment. */
  readonly #idle: Conversation[] = [];
  readonly #prefixes: { readonly tenant: string; readonly name: string }[] = [];
  /** Each judges one broken answer; the outage that explains it may last. */
  readonly #judgements: (() => void)[] = [];
  readonly #comparisons = new Set<Promise<void>>();
  #made = 0;
  #left = 0;

  constructor(options: TruthOptions, { stage, fresh }: Parts) {
    this.#options = options;
    this.#stage = stage;
    this.#fresh = fresh;
    this.#random = seededRandom(options.seed);
    this.#tally = new Tally(options.seed);
    const { isSabotage } = options;
    const random = seededRandom(options.seed + 1);
    this.#faults = new Faults({ stage, outages: this.#outages, random, isSabotage });
  }

  async run(): Promise<TruthReport> {
    const startedMs = performance.now();
    const perRound = Math.max(ROUND_TURNS, Math.ceil(this.#options.turns / 70));
    let rest = this.#options.turns;
    let happened = 0;
    while (rest > 0) {
      const turns = Math.min(perRound, rest);
      rest -= turns;
      const kind = this.#options.isSabotage ? "flipped_byte" : FAULTS[happened % FAULTS.length];
      if (kind !== undefined && (await this.#round(kind, turns))) happened += 1;
    }
    await Promise.all(this.#comparisons);
    for (const judge of this.#judgements) judge();
    await this.#stage.settle();
    for (const error of await this.#stage.errors()) this.#tally.problem(`logged: ${error}`);
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    return {
      line: this.#tally.line({ moorline: this.#moorlineCounts(), seconds }),
      differences: this.#tally.differences,
      problems: this.#tally.problems(this.#happened()),
    };
  }

  /** False: nobody had what was to be taken from them. */
  async #round(kind: FaultKind, turns: number): Promise<boolean> {
    const victims = [...(await this.#faults.damage(kind, this.#shuffled(this.#idle)))];
    const isDamaged = victims.length > 0;
    this.#left = turns;
    let ending: Promise<EndFault | undefined> | undefined;
    const lanes = Array.from({ length: LANES }, async () => {
      while (this.#left > 0) {
        if (this.#left <= turns - QUIET_TURNS) ending ??= this.#faults.begin(kind);
        await this.#step(this.#take(victims.shift()));
      }
    });
    await Promise.all(lanes);
    const end = await ending;
    const hasHappened = end === undefined ? isDamaged : await end();
    if (hasHappened) this.#tally.fault(kind);
    return hasHappened;
  }

  async #step(conversation: Conversation): Promise<void> {
    const chance = this.#random();
    if (chance < 0.12) {
      // Forks in every number would leave no room for new ones, and after some thousand turns all would come from the same few.
      if (this.#hasRoom) await this.#fork(conversation);
    } else if (chance < 0.16) await this.#makePrefix(conversation);
    else if (chance < 0.2) await this.#attach(conversation);
    const turns = conversation.next();
    this.#left -= turns.length;
    await Promise.all(turns.map((turn) => this.#ask(conversation, turn)));
    if (conversation.isOver) {
      this.#conversations.splice(this.#conversations.indexOf(conversation), 1);
      this.#tally.did("ended");
    } else this.#idle.push(conversation);
    await pause(this.#random() * 20);
  }

  get #hasRoom(): boolean {
    return this.#conversations.length < CONVERSATIONS;
  }

  /** An idle one, a wanted one if it still is. */
  #take(wanted: Conversation | undefined): Conversation {
    const isNew = this.#hasRoom && this.#random() < 0.2;
    const wantedAt = wanted === undefined ? -1 : this.#idle.indexOf(wanted);
    const at = wantedAt >= 0 ? wantedAt : Math.floor(this.#random() * this.#idle.length);
    const [found] = isNew && wantedAt < 0 ? [] : this.#idle.splice(at, 1);
    if (found !== undefined) return found;
    const tenant = TENANTS[Math.floor(this.#random() * TENANTS.length)] ?? "";
    return this.#added(new Conversation(this.#identity(tenant)));
  }

  #identity(tenant: string): ConversationOptions {
    const number = this.#made++;
    return { seed: this.#options.seed, number, tenant, tokenizer: this.#tokenizer };
  }

  #added(conversation: Conversation): Conversation {
    this.#conversations.push(conversation);
    return conversation;
  }

  async #ask(conversation: Conversation, turn: Turn): Promise<void> {
    this.#tally.asked(turn);
    const fromMs = performance.now();
    const asked = await ask(this.#stage.url, turn);
    const untilMs = performance.now();
    if (asked.kind === "whole") return this.#answered(conversation, turn, asked);
    this.#judgements.push(() => this.#judge(turn, asked, [fromMs, untilMs]));
    if (asked.how !== "left") await pause(REFUSED_PAUSE_MS);
  }

  #answered(conversation: Conversation, turn: Turn, answer: Whole): void {
    this.#tally.answered(turn, answer);
    conversation.answered(turn, answer.text, answer.outputIds);
    const comparison = this.#fresh
      .answer(turn)
      .then((fresh) => this.#tally.compared(turn, answer, fresh))
      .finally(() => this.#comparisons.delete(comparison));
    this.#comparisons.add(comparison);
  }

  #judge(turn: Turn, broken: Broken, [fromMs, untilMs]: readonly [number, number]): void {
    const { how, reason } = broken;
    const isOurs = how === "malformed" || reason === "internal_error";
    const isExplained = how === "left" || this.#outages.explain(fromMs, untilMs);
    this.#tally.broken(turn, broken, isExplained && !isOurs);
  }

  /** The API may be away. */
  async #fork(parent: Conversation): Promise<void> {
    const options = this.#identity(parent.tenant);
    const child = parent.fork(options);
    const path = { id: parent.id };
    const done = await this.#call(parent.tenant, (client) =>
      client.POST("/v1/sessions/{id}/fork", { params: { path }, body: { id: child.id } }),
    );
    if (!done) return;
    this.#tally.did("forked");
    this.#idle.push(this.#added(child));
  }

  /** What another conversation of the tenant lists: nothing that it has no use for does any harm. */
  async #attach({ id, tenant }: Conversation): Promise<void> {
    const other = this.#conversations.find((each) => each.id !== id && each.tenant === tenant);
    if (other === undefined) return;
    const done = await this.#call(tenant, async (client) => {
      const params = { path: { id: other.id } };
      const { data, response } = await client.GET("/v1/sessions/{id}/segments", { params });
      const segments = (data?.segments ?? []).filter(({ state }) => state === "durable");
      if (segments.length === 0) return { response };
      const body = { segments: segments.slice(0, 8).map((segment) => segment.id) };
      return client.POST("/v1/sessions/{id}/attach", { params: { path: { id } }, body });
    });
    if (done) this.#tally.did("attached");
  }

  async #makePrefix({ id: session, tenant }: Conversation): Promise<void> {
    const name = `p${this.#made++}`;
    const body = { name, session, everyone: this.#random() < 0.5, tenants: [] };
    const done = await this.#call(tenant, (client) => client.POST("/v1/prefixes", { body }));
    if (!done) return;
    this.#tally.did("prefixed");
    this.#prefixes.push({ tenant, name });
    const oldest = this.#prefixes.length > PREFIXES ? this.#prefixes.shift() : undefined;
    if (oldest === undefined) return;
    const params = { path: { name: oldest.name } };
    await this.#call(oldest.tenant, (client) => client.DELETE("/v1/prefixes/{name}", { params }));
  }

  async #call(
    tenant: string,
    call: (client: ReturnType<TruthStage["client"]>) => Promise<{ readonly response: Response }>,
  ): Promise<boolean> {
    try {
      return (await call(this.#stage.client(tenant))).response.ok;
    } catch {
      return false;
    }
  }

  /** What Moorline must have met by itself in a run of some length. */
  #happened(): Readonly<Record<string, number>> {
    const { counters } = this.#stage;
    if (this.#options.isSabotage) return {};
    return {
      expired_sessions: counters.total("kv_swept_total", { what: "session" }),
      evicted_files: counters.total("kv_evicted_total", { what: "file" }),
      retried_turns: counters.total("kv_turn_ends_total", { end: "retried" }),
      damage_found:
        counters.total("kv_plans_total", { limit: "file_damaged" }) +
        counters.total("kv_plans_total", { limit: "file_missing" }) +
        counters.total("kv_rechecks_total", { result: "crc" }),
      ...(this.#options.turns >= LONG_RUN_TURNS && {
        replicas_made: counters.total("kv_replicas_made_total", { result: "copied" }),
        compacted_segments: counters.total("kv_compacted_total", { result: "moved" }),
        torn_writes: counters.total("kv_verifications_total", { result: "zero_block" }),
      }),
    };
  }

  #moorlineCounts(): object {
    const { counters } = this.#stage;
    return {
      plans: counters.byLabel("kv_plans_total"),
      turns: counters.byLabel("kv_turns_total"),
      ends: counters.byLabel("kv_turn_ends_total"),
      settled: counters.byLabel("kv_segments_settled_total"),
      verified: counters.byLabel("kv_verifications_total"),
      rechecked: counters.byLabel("kv_rechecks_total"),
      swept: counters.byLabel("kv_swept_total"),
      evicted_files: counters.total("kv_evicted_total", { what: "file" }),
      compacted: counters.byLabel("kv_compacted_total"),
      replicas_made: counters.byLabel("kv_replicas_made_total"),
      replicas_dropped: counters.byLabel("kv_replicas_dropped_total"),
      unlinked: counters.total("kv_unlinks_total", { result: "removed" }),
      failures: counters.byLabel("kv_turn_failures_total"),
      moved_sessions: counters.total("moves_total"),
    };
  }

  #shuffled<T>(from: readonly T[]): readonly T[] {
    const drawn = from.map((each) => ({ each, at: this.#random() }));
    return drawn.toSorted((a, b) => a.at - b.at).map(({ each }) => each);
  }
}
