/**
 * A busy day of a KV service, as long as it is there: turns, several at once in one session, edits, forks, pins, ends, aborts,
 * commits that come late and engines that write slowly. Every answer goes into the ledger before anything else is asked, and what was not
 * answered because the service died is nothing that anybody knows.
 */
import { setTimeout as pause } from "node:timers/promises";

import type { KvClient } from "../../client/index.ts";
import type { Random } from "../../src/clock.ts";
import { KvEngine } from "./kv-engine.ts";
import type { KnownPrefix, KnownSession, KvLedger, PlannedTurn } from "./kv-ledger.ts";
import { type KvService, MODEL, PAGE, storeWith, written } from "./kv-service.ts";

const TENANTS = ["", "acme"] as const;
const SESSIONS_LIMIT = 24;
const PREFIXES_LIMIT = 4;
const PINNED_LIMIT = 6;
const HOUR_MS = 3_600_000;
const WORKERS = 8;

export interface WorkloadOptions {
  readonly service: KvService;
  readonly ledger: KvLedger;
  readonly random: Random;
}

export class KvWorkload {
  readonly #options: WorkloadOptions;
  #engine = new KvEngine();
  /** Of the process that runs now, or did: then nobody answers. */
  #clients: ReadonlyMap<string, KvClient> = new Map();
  #made = 0;
  #isOver = false;
  #milestone = { left: 0, resolve: () => {} };
  /** Of turns that were planned and not committed yet. */
  readonly #late: PlannedTurn[] = [];
  readonly counts = new Map<string, number>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Until `stop`, or the service is gone for everybody. */
  async run(): Promise<void> {
    const { service } = this.#options;
    this.#clients = new Map(TENANTS.map((tenant) => [tenant, service.client(tenant)]));
    this.#isOver = false;
    await Promise.all(Array.from({ length: WORKERS }, () => this.#work()));
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Until so many more requests were answered; for ever if the service dies before. */
  answers(more: number): Promise<void> {
    return new Promise((resolve) => (this.#milestone = { left: more, resolve }));
  }

  /** Ends all that there is, as the service runs again: what nobody was told of before it was killed, too. */
  async endAll(): Promise<void> {
    for (const tenant of TENANTS) {
      const client = this.#options.service.client(tenant);
      const prefixes = await client.GET("/v1/prefixes");
      for (const { name } of prefixes.data?.prefixes ?? []) {
        await client.DELETE("/v1/prefixes/{name}", { params: { path: { name } } });
      }
      const all = await client.GET("/v1/sessions", { params: { query: { limit: "1000" } } });
      for (const { id } of all.data?.sessions ?? []) {
        await client.DELETE("/v1/sessions/{id}", { params: { path: { id } } });
      }
    }
  }

  /** Whatever it had begun to write is torn, and the next one is another process. */
  async killEngine(): Promise<void> {
    await this.#engine.kill();
    this.#engine = new KvEngine();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#engine.kill();
  }

  async #work(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#step();
      } catch (reason) {
        if (!isGone(reason)) throw reason;
        return;
      }
    }
  }

  async #step(): Promise<void> {
    const living = [...this.#options.ledger.sessions.values()].filter(
      ({ fate }) => fate === "lives",
    );
    const session = this.#pick(living);
    if (session === undefined || (living.length < SESSIONS_LIMIT && this.#chance(0.1))) {
      await this.#create(this.#pick(TENANTS) ?? "");
      return;
    }
    if (this.#chance(0.04)) return this.#end(session);
    if (this.#chance(0.06)) return this.#leaveOne(living);
    if (this.#chance(0.06)) return this.#fork(session);
    if (this.#chance(0.06)) return this.#attach(session, this.#pick(living));
    if (this.#chance(0.04)) return this.#prefix(session);
    if (this.#chance(0.08)) return this.#pin(session, living);
    if (this.#chance(0.1)) return this.#commitLate();
    return this.#turn(session);
  }

  async #create(tenant: string): Promise<KnownSession | undefined> {
    const { ledger } = this.#options;
    const id = `s${++this.#made}`;
    const { response } = await this.#client(tenant).POST("/v1/sessions", {
      body: { id, model: MODEL },
    });
    return this.#count("create", response) ? ledger.created(tenant, id) : undefined;
  }

  async #end(session: KnownSession): Promise<void> {
    session.fate = "may_end";
    const { response } = await this.#client(session.tenant).DELETE("/v1/sessions/{id}", {
      params: { path: { id: session.id } },
    });
    if (this.#count("end", response)) session.fate = "ended";
  }

  async #fork(parent: KnownSession): Promise<void> {
    const { ledger } = this.#options;
    const id = `s${++this.#made}`;
    const before = { ...parent, listed: new Set(parent.listed) };
    const { response } = await this.#client(parent.tenant).POST("/v1/sessions/{id}/fork", {
      params: { path: { id: parent.id } },
      body: { id },
    });
    if (this.#count("fork", response)) ledger.created(parent.tenant, id, before);
  }

  /** Of what the other one lists, if both are of one tenant. */
  async #attach(session: KnownSession, other: KnownSession | undefined): Promise<void> {
    const segments = [...(other?.listed ?? [])].slice(0, 1 + this.#upTo(4));
    if (other?.tenant !== session.tenant || segments.length === 0) return;
    await this.#attachSome(session, other, segments);
  }

  /** A new session goes on from one segment of the longest one, which ends: of a file that is left with little, the rest is moved. */
  async #leaveOne(living: readonly KnownSession[]): Promise<void> {
    const [other] = living.toSorted((a, b) => b.listed.size - a.listed.size);
    const segment = [...(other?.listed ?? [])].at(-1);
    if (other === undefined || segment === undefined) return;
    const session = await this.#create(other.tenant);
    if (session === undefined) return;
    await this.#attachSome(session, other, [segment]);
    await this.#end(other);
  }

  async #attachSome(
    session: KnownSession,
    other: KnownSession,
    segments: readonly string[],
  ): Promise<void> {
    const { response } = await this.#client(session.tenant).POST("/v1/sessions/{id}/attach", {
      params: { path: { id: session.id } },
      body: { segments: [...segments] },
    });
    if (!this.#count("attach", response)) return;
    for (const segment of segments) session.listed.add(segment);
    session.histories.push(...other.histories);
  }

  /** A new one, of all that the session lists or of what it begins with, or the end of one that there is. */
  async #prefix({ id: session, tenant }: KnownSession): Promise<void> {
    const { prefixes } = this.#options.ledger;
    const living = [...prefixes.values()].filter(({ fate }) => fate === "lives");
    const oldest = living.length > PREFIXES_LIMIT ? living[0] : undefined;
    if (oldest !== undefined) return this.#removePrefix(oldest);
    const name = `p${++this.#made}`;
    const { data, response } = await this.#client(tenant).POST("/v1/prefixes", {
      body: { name, session, ...(this.#chance(0.5) && { tokens: PAGE * (4 + this.#upTo(20)) }) },
    });
    if (!this.#count("prefix", response) || data === undefined) return;
    prefixes.set(name, { tenant, name, segments: data.segments, fate: "lives" });
  }

  /** From then on nothing that it lists goes away. */
  async #pin(session: KnownSession, living: readonly KnownSession[]): Promise<void> {
    if (session.listed.size === 0) return;
    if (living.filter(({ pinned }) => pinned.size > 0).length >= PINNED_LIMIT) return;
    const client = this.#client(session.tenant);
    const params = { path: { id: session.id } };
    const { response } = await client.PATCH("/v1/sessions/{id}", {
      params,
      body: { pinned_until_ms: Date.now() + HOUR_MS },
    });
    if (!this.#count("pin", response)) return;
    const { data } = await client.GET("/v1/sessions/{id}/segments", { params });
    for (const { id } of data?.segments ?? []) session.pinned.add(id);
  }

  async #removePrefix(prefix: KnownPrefix): Promise<void> {
    prefix.fate = "may_end";
    const { response } = await this.#client(prefix.tenant).DELETE("/v1/prefixes/{name}", {
      params: { path: { name: prefix.name } },
    });
    if (this.#count("remove prefix", response)) prefix.fate = "ended";
  }

  async #turn(session: KnownSession): Promise<void> {
    const turn = await this.#plan(session);
    if (turn === undefined) return;
    const { service } = this.#options;
    const tokens = [...turn.prompt, ...turn.output];
    const parts = written(turn.plan, tokens);
    const isSlow = this.#chance(0.3);
    const manner = isSlow ? { delayMs: this.#upTo(80), stallMs: this.#upTo(60) } : {};
    const { answered } = storeWith(this.#engine, { service, tokens, parts, ...manner });
    await answered;
    if (this.#chance(0.1)) return this.#abort(turn);
    if (this.#chance(0.1)) return void this.#late.push(turn);
    await this.#commit(turn);
  }

  async #plan(session: KnownSession): Promise<PlannedTurn | undefined> {
    const { ledger } = this.#options;
    const [prompt, output] = [this.#prompt(session), this.#tokens(this.#upTo(96))];
    const { data, response } = await this.#client(session.tenant).POST("/v1/sessions/{id}/plan", {
      params: { path: { id: session.id } },
      body: {
        prompt: { ids: prompt },
        max_new_tokens: output.length,
        engine: this.#engine.identity,
      },
    });
    if (!this.#count("plan", response) || data === undefined) return undefined;
    const turn = { tenant: session.tenant, session: session.id, plan: data, prompt, output };
    ledger.planned(turn);
    return data.turn === null ? undefined : turn;
  }

  async #commit(turn: PlannedTurn): Promise<void> {
    const { plan, prompt, output, tenant } = turn;
    const { data, response } = await this.#client(tenant).POST("/v1/turns/{turn}/commit", {
      params: {
        path: { turn: plan.turn ?? "" },
        query: this.#chance(0.7) ? { wait: "settled" } : {},
      },
      body: {
        prompt: { ids: [...prompt] },
        output_ids: [...output],
        fresh_kv_cache: written(plan, [...prompt, ...output]),
        engine: this.#engine.identity,
      },
    });
    if (!this.#count("commit", response) || data === undefined) return;
    const { ledger } = this.#options;
    for (const listed of data.listed) ledger.listed(turn.session, listed);
    ledger.sessions.get(turn.session)?.histories.push([...prompt, ...output]);
  }

  async #abort({ plan, tenant }: PlannedTurn): Promise<void> {
    const { response } = await this.#client(tenant).POST("/v1/turns/{turn}/abort", {
      params: { path: { turn: plan.turn ?? "" } },
      body: { reason: "client_gone" },
    });
    this.#count("abort", response);
  }

  /** Of a turn from a while ago, perhaps of before the service was killed. */
  async #commitLate(): Promise<void> {
    const turn = this.#late.shift();
    if (turn !== undefined) await this.#commit(turn);
    else await pause(5);
  }

  /** What was said before and something new, or another ending to it. Some sessions begin alike. */
  #prompt({ histories }: KnownSession): number[] {
    const history = this.#pick(histories.slice(-6)) ?? [];
    const start = history.length > 0 ? history : (SYSTEM_PROMPTS[this.#upTo(4)] ?? []);
    const kept = this.#chance(0.25) ? start.slice(0, this.#upTo(start.length)) : start;
    const isLong = kept.length > 1_500;
    return [...(isLong ? kept.slice(0, 300) : kept), ...this.#tokens(8 + this.#upTo(200))];
  }

  #tokens(length: number): number[] {
    return Array.from({ length }, () => 1 + this.#upTo(50_000));
  }

  #client(tenant: string): KvClient {
    const client = this.#clients.get(tenant);
    if (client === undefined) throw new Error(`no client of "${tenant}"`);
    return client;
  }

  #chance(share: number): boolean {
    return this.#options.random() < share;
  }

  #upTo(limit: number): number {
    return Math.floor(this.#options.random() * limit);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#upTo(items.length)];
  }

  #count(what: string, { status, ok }: Response): boolean {
    const name = `${what} ${status}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    if (--this.#milestone.left === 0) this.#milestone.resolve();
    if (status >= 500)
      this.#options.ledger.problems.push(`${name}: no answer of a service in order`);
    return ok;
  }
}

const SYSTEM_PROMPTS = [0, 1, 2].map((seed) =>
  Array.from({ length: PAGE * 9 + seed }, (_, at) => 60_000 + seed * 1_000 + at),
);

/** What a request comes to when nobody listens, or stops to while it is answered. */
function isGone(reason: unknown): boolean {
  if (!(reason instanceof TypeError)) return false;
  return reason.message === "fetch failed" || reason.message === "terminated";
}
