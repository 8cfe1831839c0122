/** Whole turns of a service in its own process, with an engine in another one. */
import { expect } from "vitest";

import { KvEngine } from "../support/kv-engine.ts";
import {
  type EngineManner,
  KvService,
  MODEL,
  type Placed,
  type Plan,
  type ServiceOptions,
  storeWith,
  written,
} from "../support/kv-service.ts";

export interface EngineTurn extends EngineManner {
  readonly session: string;
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

export class ServiceTurns {
  service: KvService;
  engine = new KvEngine();

  static async open(options: ServiceOptions = {}): Promise<ServiceTurns> {
    return new ServiceTurns(await KvService.start(options));
  }

  constructor(service: KvService) {
    this.service = service;
  }

  async close(): Promise<void> {
    await this.engine.kill();
    await this.service.remove();
  }

  async create(id: string): Promise<void> {
    const answer = await this.service.client().POST("/v1/sessions", { body: { id, model: MODEL } });
    expect(answer.error).toBeUndefined();
  }

  /** The id of a session that lists what this one does now. */
  async fork(id: string): Promise<string> {
    const { data } = await this.service.client().POST("/v1/sessions/{id}/fork", {
      params: { path: { id } },
      body: {},
    });
    expect(data?.parent).toBe(id);
    return data?.id ?? "";
  }

  async plan(id: string, prompt: readonly number[], max_new_tokens = 0): Promise<Plan> {
    const answer = await this.service.client().POST("/v1/sessions/{id}/plan", {
      params: { path: { id } },
      body: { prompt: promptOf(prompt), max_new_tokens, engine: this.engine.identity },
    });
    if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
    return answer.data;
  }

  /** Whoever says what was stored, whenever that is; answered when all of it is listed or dropped. */
  commit(plan: Plan, { prompt, output, parts, engine = this.engine.identity }: Report) {
    return this.service.client().POST("/v1/turns/{turn}/commit", {
      params: { path: { turn: plan.turn ?? "" }, query: { wait: "settled" } },
      body: { prompt: promptOf(prompt), output_ids: [...output], fresh_kv_cache: parts, engine },
    });
  }

  async abort({ turn }: Plan): Promise<void> {
    const { response } = await this.service.client().POST("/v1/turns/{turn}/abort", {
      params: { path: { turn: turn ?? "" } },
      body: { reason: "client_gone" },
    });
    expect(response.status).toBe(204);
  }

  /** Committed when the engine has written all that it will, or as soon as it has answered where it takes its time. */
  async turn({ session, prompt, output, ...manner }: EngineTurn) {
    const plan = await this.plan(session, prompt, output.length);
    const tokens = [...prompt, ...output];
    const parts = written(plan, tokens);
    const write = storeWith(this.engine, { service: this.service, tokens, parts, ...manner });
    const isSlow = (manner.delayMs ?? 0) + (manner.stallMs ?? 0) > 0;
    await (isSlow ? write.answered : write.ended);
    const { data } = await this.commit(plan, { prompt, output, parts });
    return { plan, parts, listed: data?.listed ?? [], dropped: data?.dropped ?? [], write };
  }
}

interface Report {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
  readonly parts: Placed[];
  readonly engine?: string;
}

export function promptOf(ids: readonly number[]) {
  return { ids: [...ids] };
}

/** `length` tokens of which none is a prefix of another's: they differ from the first one on. */
export function tokensOf(length: number, seed = 1): number[] {
  return Array.from({ length }, (_, at) => ((seed * 7919 + at * 31) % 50_000) + 1);
}
