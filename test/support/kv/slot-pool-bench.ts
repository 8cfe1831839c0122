/** A pool over a slot desk and a server in memory, with bodies of the real dialect. */
import { createDialect } from "../../../src/kv/dialects/dialects.ts";
import type { ReadBody } from "../../../src/kv/dialects/dialect.ts";
import type { AnswerHead, BegunTurn, TurnRequest } from "../../../src/kv/path/turn-path.ts";
import type { Session } from "../../../src/kv/records.ts";
import { Predictor } from "../../../src/kv/prediction/predictor.ts";
import { SlotDesks } from "../../../src/kv/slots/slot-desks.ts";
import { SlotPool, type SlotPoolOptions } from "../../../src/kv/slots/slot-pool.ts";
import type { SlotServerState } from "../../../src/kv/slots/slot-server.ts";
import { toSnapshotPrompt } from "../../../src/kv/snapshots/snapshot-prompt.ts";
import { TokenGuess } from "../../../src/kv/tokens/token-guess.ts";
import { settle } from "../fake-clock.ts";
import { ENGINE_A, ENGINE_B, STANDARD } from "../path-bench.ts";
import { sessionOf, SlotStand, type StandOptions } from "./slot-stand.ts";

export const SERVED: AnswerHead = {
  status: 200,
  contentType: "application/json",
  contentEncoding: "",
  servedBy: ENGINE_A.address,
  attempts: 1,
};

export const MADE: Session = {
  tenant: "",
  id: "",
  life: 0,
  model: "m",
  retention: STANDARD,
  parent: undefined,
  createdAtMs: 0,
  expiresAtMs: 1,
  pinnedUntilMs: 0,
  file: undefined,
  leasedBy: undefined,
  turns: [],
  segments: 0,
};

export class SlotPoolBench {
  readonly stand: SlotStand;
  readonly pool: SlotPool;
  /** Plans and ends, and what became of sessions, in order. */
  readonly seen: string[] = [];
  readonly failures: unknown[] = [];
  state: SlotServerState;

  constructor(options: StandOptions = {}, changes: Partial<SlotPoolOptions> = {}) {
    const stand = new SlotStand(options);
    this.stand = stand;
    this.state = { kind: "ready", server: stand.server };
    this.pool = new SlotPool({
      pool: "p",
      model: { name: "m" },
      bodyLimitBytes: 1_000_000,
      holdMs: 10_000,
      passPaths: ["/tokenize"],
      dialect: createDialect({ name: "llamacpp-slots", exposeKv: true }),
      servers: { server: () => this.state },
      desks: new SlotDesks({
        open: () => stand.desk,
        failed: (reason) => this.failures.push(reason),
      }),
      promptOf: toSnapshotPrompt,
      guess: new TokenGuess(),
      predictor: new Predictor(),
      prefetcher: {
        prefetch: async ({ session }) => {
          this.seen.push(`prefetch ${session.id}`);
          return { segments: 0, bytes: 0, nearBytes: 0, queuedBytes: 0 };
        },
      },
      sessions: {
        create: async ({ session }) => {
          this.seen.push(`create ${session.id}`);
          return { kind: "created", session: { ...MADE, ...session } };
        },
      },
      retention: { lookup: () => undefined, defaultOf: () => STANDARD },
      used: async ({ id }) => void this.seen.push(`used ${id}`),
      end: async ({ id }) => void this.seen.push(`end ${id}`),
      clock: stand.clock,
      observer: {
        begun: ({ plan, reusedTokens }) => this.seen.push(`${plan} ${reusedTokens}`),
        spent: () => {},
        measured: () => {},
        ended: ({ end }) => this.seen.push(end),
        failed: (call, error) => {
          this.seen.push(`${call} failed`);
          this.failures.push(error);
        },
      },
      ...changes,
    });
  }

  async begin(id: string, prompt: string, changes: Partial<TurnRequest> = {}): Promise<BegunTurn> {
    return this.pool.begin({
      session: sessionOf(id),
      body: await this.read({ prompt, n_predict: 4 }),
      endpoint: ENGINE_A,
      fallbacks: [ENGINE_B],
      retentionClass: undefined,
      isFinal: false,
      prefetch: undefined,
      signal: new AbortController().signal,
      ...changes,
    });
  }

  async read(body: object, path = "/completion"): Promise<ReadBody> {
    const read = await this.pool.readBody(path, Buffer.from(JSON.stringify(body)));
    if (read.kind !== "body") throw new Error("unreadable");
    return read;
  }

  /** The server runs it, and the whole answer goes to the client. */
  async answer(begun: BegunTurn, prompt: string): Promise<void> {
    const { id_slot: slot } = sent(begun) as { id_slot: number };
    const running = this.stand.server.begin(slot, { prompt, output: "four words of answer" });
    const { promptTokens, outputTokens } = running.finish();
    const cached = running.cachedTokens;
    const timings = { cache_n: cached, prompt_n: promptTokens - cached, predicted_n: outputTokens };
    const filter = begun.turn.answer(SERVED);
    const chunk = Buffer.from(
      JSON.stringify({ content: "four words of answer", stop: true, timings }),
    );
    const shown = filter?.push(chunk, true);
    if (!chunk.equals(shown ?? Buffer.alloc(0))) throw new Error("the answer was changed");
    await settle();
  }

  async turn(id: string, prompt: string, changes: Partial<TurnRequest> = {}): Promise<BegunTurn> {
    const begun = await this.begin(id, prompt, changes);
    await this.answer(begun, prompt);
    return begun;
  }
}

export function sent({ body }: BegunTurn): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.concat(body).toString()) as Readonly<Record<string, unknown>>;
}
