/** The KV API over real HTTP and a real desk, asked through the client that is made of its description. */
import { createClient, type KvClient } from "../../client/index.ts";
import type { KvApiPorts } from "../../src/api/ports.ts";
import type { Tokens } from "../../src/api/principal.ts";
import { type KvApiServer, openKvApi } from "../../src/api/server.ts";
import type { Retention } from "../../src/kv/records.ts";
import { createLogger } from "../../src/log.ts";
import type { TlsFiles } from "../../src/extproc/tls.ts";
import { type Benches } from "../kv/turns/catalogs.ts";
import { PLENTY, RETENTION } from "../support/kv-desk.ts";
import { type BenchOptions, type TurnBench } from "../support/turn-bench.ts";

export const NO_TOKENS: Tokens = { admin: null, tenants: new Map() };

const CLASSES: readonly Retention[] = [
  { ...RETENTION, name: "free", ttlMs: 600_000, maxAgeMs: 86_400_000 },
  { ...RETENTION, name: "standard", ttlMs: 3_600_000, maxAgeMs: 604_800_000 },
];

export interface ApiOptions extends Omit<BenchOptions, "catalog"> {
  readonly tokens?: Tokens;
  readonly tls?: TlsFiles;
  readonly ports?: Partial<KvApiPorts>;
}

export class ApiBench {
  readonly turns: TurnBench;
  readonly server: KvApiServer;
  readonly logged: string[];

  static async open(benches: Benches, options: ApiOptions = {}): Promise<ApiBench> {
    const { tokens = NO_TOKENS, tls, ports, ...rest } = options;
    const turns = await benches.open(rest);
    const logged: string[] = [];
    const sink = { write: (line: string) => void logged.push(line) };
    const server = await openKvApi(
      { ...portsOf(turns), ...ports },
      {
        listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
        tls,
        tokens,
        log: createLogger({ level: "info", sessionIds: "hash" }, sink),
      },
    );
    return new ApiBench(turns, server, logged);
  }

  constructor(turns: TurnBench, server: KvApiServer, logged: string[]) {
    this.turns = turns;
    this.server = server;
    this.logged = logged;
  }

  get url(): string {
    return `http://${this.server.address}`;
  }

  client(as: { readonly token?: string; readonly tenant?: string } = {}): KvClient {
    return createClient({ url: this.url, ...as });
  }
}

function portsOf(turns: TurnBench): KvApiPorts {
  let ids = 0;
  return {
    sessions: turns.sessions,
    turns: turns.desk,
    catalog: turns.catalog,
    retention: {
      lookup: (name) => CLASSES.find((known) => known.name === name),
      defaultOf: () => CLASSES[1] ?? never(),
    },
    quotas: { quota: () => PLENTY },
    nowMs: () => turns.clock.now(),
    newSessionId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
  };
}

function never(): never {
  throw new Error("there is a standard class");
}
