/** The KV API over real HTTP and a real desk, asked through the client that is made of its description. */
import { createClient, type KvClient } from "../../client/index.ts";
import type { components } from "../../client/schema.d.ts";
import { systemClock } from "../../src/clock.ts";
import type { KvApiPorts } from "../../src/api/ports.ts";
import type { Tokens } from "../../src/api/principal.ts";
import { type KvAnswer, type KvApiServer, openKvApi } from "../../src/api/server.ts";
import { createDigests } from "../../src/digests.ts";
import type { Retention } from "../../src/kv/records.ts";
import { createLogger } from "../../src/log.ts";
import type { TlsFiles } from "../../src/extproc/tls.ts";
import { type Benches } from "../kv/turns/catalogs.ts";
import { PLENTY, RETENTION } from "../support/kv-desk.ts";
import { type BenchOptions, type TurnBench } from "../support/turn-bench.ts";

export const NO_TOKENS: Tokens = { admin: null, tenants: new Map() };

export const FREE: Retention = {
  ...RETENTION,
  name: "free",
  pinLimitMs: 0,
  ttlMs: 600_000,
  maxAgeMs: 86_400_000,
};
export const STANDARD: Retention = {
  ...RETENTION,
  name: "standard",
  ttlMs: 3_600_000,
  maxAgeMs: 604_800_000,
};

/** Enough for the longest prompt that is taken. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

export interface ApiOptions extends Omit<BenchOptions, "catalog"> {
  readonly tokens?: Tokens;
  readonly tls?: TlsFiles;
  /** Default any that is free. */
  readonly port?: number;
  readonly bodyLimitBytes?: number;
  readonly drainMs?: number;
  readonly ports?: Partial<KvApiPorts>;
}

export class ApiBench {
  readonly turns: TurnBench;
  readonly server: KvApiServer;
  readonly logged: string[];
  readonly answers: KvAnswer[];

  static async open(benches: Benches, options: ApiOptions = {}): Promise<ApiBench> {
    const { tokens = NO_TOKENS, tls, port = 0, drainMs = 30_000, ports, ...others } = options;
    const { bodyLimitBytes = BODY_LIMIT_BYTES, ...rest } = others;
    const turns = await benches.open({ ...rest, policy: { waitMs: 0, ...rest.policy } });
    const logged: string[] = [];
    const answers: KvAnswer[] = [];
    const sink = { write: (line: string) => void logged.push(line) };
    const server = await openKvApi(
      { ...portsOf(turns), ...ports },
      {
        listen: { kind: "tcp", host: "127.0.0.1", port },
        bodyLimitBytes,
        tls,
        tokens,
        log: createLogger({ level: "info", sessionIds: "hash" }, sink),
        answered: (answer) => answers.push(answer),
        drainMs,
        scheduler: systemClock,
      },
    );
    return new ApiBench(turns, server, { logged, answers });
  }

  constructor(
    turns: TurnBench,
    server: KvApiServer,
    { logged, answers }: Pick<ApiBench, "logged" | "answers">,
  ) {
    this.turns = turns;
    this.server = server;
    this.logged = logged;
    this.answers = answers;
  }

  get url(): string {
    return `http://${this.server.address}`;
  }

  /** A whole turn of the session in which the engine writes and reports all of it, listed from now on. */
  async turn(client: KvClient, id: string, [prompt, output]: readonly [string, string]) {
    const plan = await this.plan(client, id, [prompt, output.length]);
    const fresh_kv_cache = await this.write(plan, prompt.length + output.length);
    const { data } = await client.POST("/v1/turns/{turn}/commit", {
      params: { path: { turn: plan.turn ?? "" }, query: { wait: "settled" } },
      body: { prompt: promptOf(prompt), output_ids: idsOf(output), fresh_kv_cache },
    });
    if (data === undefined) throw new Error("the turn was not committed");
    return data;
  }

  async plan(client: KvClient, id: string, [prompt, maxNewTokens]: readonly [string, number]) {
    const { data, error } = await client.POST("/v1/sessions/{id}/plan", {
      params: { path: { id } },
      body: { prompt: promptOf(prompt), max_new_tokens: maxNewTokens },
    });
    if (data === undefined) throw new Error(`no plan: ${error.detail}`);
    return data;
  }

  /** As an engine that has `end` tokens: it stores in each part what it may, and says so. */
  async write({ fresh_kv_cache }: Plan, end: number): Promise<Plan["fresh_kv_cache"]> {
    const written = fresh_kv_cache.flatMap((part) => {
      const token_length = Math.min(part.token_length, end - part.token_start);
      return token_length > 0 ? [{ ...part, token_length }] : [];
    });
    for (const { token_start, token_length, kv_uri, kv_start } of written) {
      await this.turns.write({
        tokenStart: token_start,
        tokenLength: token_length,
        kvUri: kv_uri,
        kvStart: kv_start,
      });
    }
    return written;
  }

  client(as: { readonly token?: string; readonly tenant?: string } = {}): KvClient {
    return createClient({ url: this.url, ...as });
  }
}

function portsOf(turns: TurnBench): KvApiPorts {
  let ids = 0;
  return {
    sessions: turns.sessions,
    // Those of the bench as it is when it is asked: a test may start it anew.
    turns: {
      plan: (request) => turns.desk.plan(request),
      commit: (request) => turns.desk.commit(request),
      abort: (turn, reason) => turns.desk.abort(turn, reason),
      end: (session) => turns.desk.end(session),
      explain: (request) => turns.desk.explain(request),
    },
    slots: { ofModel: () => undefined },
    prefetcher: { prefetch: (request) => turns.prefetcher.prefetch(request) },
    clock: turns.clock,
    catalog: turns.catalog,
    location: (id) => turns.location(id),
    reader: (tenant) => turns.reader(tenant),
    bytes: {
      catalog: turns.catalog,
      checker: turns.checker,
      copies: turns.copies,
      read: () => {},
      reader: (tenant) => turns.reader(tenant),
      location: (id) => turns.location(id),
      layout: () => undefined,
      digests: createDigests(),
      signingKey: Buffer.from("signing key"),
      clock: turns.clock,
      nowMs: () => turns.clock.now(),
      limits: { bytesInFlightLimit: 2 ** 26, idleTimeoutMs: 30_000, signedUrlLimitMs: 3_600_000 },
      publicUrl: null,
      observer: {
        served: () => {},
        received: () => {},
        inFlight: () => {},
        unreadable: () => {},
        notWhole: () => {},
        unserved: () => {},
      },
    },
    lastTurns: { lookup: () => undefined },
    predictions: { ofModel: () => undefined },
    retention: {
      lookup: (name) => [FREE, STANDARD].find((known) => known.name === name),
      defaultOf: () => STANDARD,
    },
    quotas: { quota: (tenant) => (tenant === "nobody" ? undefined : PLENTY) },
    nowMs: () => turns.clock.now(),
    newSessionId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
  };
}

export type Plan = components["schemas"]["Plan"];

/** Tokens are the character codes of short strings. */
export function idsOf(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

export function promptOf(text: string) {
  return { kind: "engine" as const, ids: idsOf(text), grid: [] as string[] };
}
