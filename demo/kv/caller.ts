/** One tenant's use of the KV API, by the typed client: what a gateway does around each request to an engine. */
import { createClient, type KvClient } from "../../client/index.ts";
import type { components } from "../../client/schema.d.ts";
import { formatCurl } from "./curl.ts";
import { profile } from "./settings.ts";
import type { Writer } from "./writer.ts";

export type Plan = components["schemas"]["Plan"];
export type Commit = components["schemas"]["Commit"];

/** Token ids. */
export interface Turn {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
}

export interface CallerOptions {
  readonly url: string;
  /** Absent for the default one. */
  readonly tenant?: string;
  readonly writer: Writer;
}

export class Caller {
  readonly #client: KvClient;
  readonly #writer: Writer;
  #lastCurl = "";

  constructor({ url, tenant, writer }: CallerOptions) {
    this.#client = createClient({ url, tenant });
    this.#writer = writer;
    this.#client.use({
      onRequest: async ({ request }) => {
        this.#lastCurl = formatCurl({
          method: request.method,
          url: request.url,
          tenant: request.headers.get("x-moorline-tenant"),
          body: await request.clone().text(),
        });
      },
    });
  }

  /** The last request, as a line for a shell. */
  get lastCurl(): string {
    return this.#lastCurl;
  }

  async create(id: string, retentionClass?: string) {
    const wish = retentionClass === undefined ? {} : { retention_class: retentionClass };
    const body = { id, model: profile.id, ...wish };
    return answerOf(await this.#client.POST("/v1/sessions", { body }));
  }

  async fork(id: string, as: string) {
    const params = { path: { id } };
    return answerOf(
      await this.#client.POST("/v1/sessions/{id}/fork", { params, body: { id: as } }),
    );
  }

  async segments(id: string) {
    const params = { path: { id } };
    return answerOf(await this.#client.GET("/v1/sessions/{id}/segments", { params })).segments;
  }

  /** What a plan would list; changes nothing. */
  async explain(id: string, prompt: readonly number[]) {
    const params = { path: { id } };
    const body = { prompt: promptOf(prompt), max_new_tokens: 0 };
    return answerOf(await this.#client.POST("/v1/sessions/{id}/explain", { params, body }));
  }

  /** Whether the segment is there for this tenant: `200`, or as if there were none. */
  async statusOf(segment: string): Promise<number> {
    const params = { path: { id: segment } };
    const { response } = await this.#client.GET("/v1/segments/{id}", { params });
    return response.status;
  }

  async openPrefix(prefix: { name: string; session: string; tokens: number; tenants: string[] }) {
    return answerOf(await this.#client.POST("/v1/prefixes", { body: prefix }));
  }

  async usage() {
    return answerOf(await this.#client.GET("/v1/usage"));
  }

  async plan(id: string, prompt: readonly number[], maxNewTokens: number): Promise<Plan> {
    const params = { path: { id } };
    const engine = this.#writer.instance;
    const body = { prompt: promptOf(prompt), max_new_tokens: maxNewTokens, engine };
    return answerOf(await this.#client.POST("/v1/sessions/{id}/plan", { params, body }));
  }

  /** Says that all of the reservation was written, and waits for what becomes of it. */
  async commit({ turn, fresh_kv_cache }: Plan, { prompt, answer }: Turn): Promise<Commit> {
    const params = { path: { turn: turnOf(turn) }, query: { wait: "settled" as const } };
    const engine = this.#writer.instance;
    const body = { prompt: promptOf(prompt), output_ids: [...answer], fresh_kv_cache, engine };
    return answerOf(await this.#client.POST("/v1/turns/{turn}/commit", { params, body }));
  }

  async abort({ turn }: Plan): Promise<void> {
    const path = { turn: turnOf(turn) };
    const body = { reason: "client_gone" as const };
    const { error, response } = await this.#client.POST("/v1/turns/{turn}/abort", {
      params: { path },
      body,
    });
    if (error !== undefined) throw refusal(response, error);
  }

  /** Planned, written and committed. */
  async turn(id: string, turn: Turn): Promise<{ readonly plan: Plan; readonly commit: Commit }> {
    const plan = await this.plan(id, turn.prompt, turn.answer.length);
    await this.#writer.store(plan.fresh_kv_cache);
    return { plan, commit: await this.commit(plan, turn) };
  }
}

/** The tokens `first` to `last`, which stand for a text: equal numbers are equal texts. */
export function tokens(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

function promptOf(ids: readonly number[]) {
  return { ids: [...ids] };
}

function turnOf(turn: Plan["turn"]): string {
  if (turn === null) throw new Error("the plan reserved nothing");
  return turn;
}

interface Answer<T> {
  readonly data?: T;
  readonly error?: { readonly detail: string };
  readonly response: Response;
}

function answerOf<T>({ data, error, response }: Answer<T>): T {
  if (data !== undefined) return data;
  throw refusal(response, error);
}

function refusal({ url, status }: Response, error: Answer<unknown>["error"]): Error {
  return new Error(`${url} answered ${status}: ${error?.detail}`);
}
