/** What is done to engines, to Moorline and to files while conversations go on, one thing in each round. */
import { existsSync } from "node:fs";
import { open, stat, truncate, unlink } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { EngineProcess } from "../../demo/stack/engine.ts";
import type { Random } from "../../src/clock.ts";
import type { Conversation } from "./conversation.ts";
import type { Outages } from "./outages.ts";
import type { TruthStage } from "./stage.ts";

export const FAULTS = [
  "slow_writes",
  "flipped_byte",
  "engine_killed",
  "deleted_file",
  "engine_died_writing",
  "engine_failing",
  "truncated_file",
  "moorline_killed",
  "moorline_restarted",
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface FaultOptions {
  readonly stage: TruthStage;
  readonly outages: Outages;
  readonly random: Random;
  /** Flips bytes where nobody looks: in files that have an open reservation, of which only the size is compared. */
  readonly isSabotage: boolean;
}

/** Ends the fault. False: it never happened. */
export type EndFault = () => Promise<boolean>;

export class Faults {
  readonly #options: FaultOptions;
  #starts = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** In mid-traffic. Of kinds that need none, nothing. */
  async begin(kind: FaultKind): Promise<EndFault | undefined> {
    switch (kind) {
      case "slow_writes":
        return this.#slowWrites();
      case "engine_killed":
        return this.#killEngine();
      case "engine_died_writing":
        return this.#dieWriting();
      case "engine_failing":
        return this.#failAnswers();
      case "moorline_killed":
        return this.#stopMoorline("SIGKILL");
      case "moorline_restarted":
        return this.#stopMoorline("SIGTERM");
      case "flipped_byte":
      case "deleted_file":
      case "truncated_file":
        return undefined;
    }
  }

  /** While there is no traffic: spoils a file that one of these conversations would go on with; of all that do, in sabotage. */
  async damage(
    kind: FaultKind,
    conversations: readonly Conversation[],
  ): Promise<readonly Conversation[]> {
    const victims: Conversation[] = [];
    if (!isDamage(kind)) return victims;
    await this.#options.stage.calm();
    for (const victim of conversations) {
      const target = await this.#listedBytes(victim);
      if (target === undefined || !existsSync(target.path)) continue;
      await DAMAGES[kind](target);
      victims.push(victim);
      if (!this.#options.isSabotage) break;
    }
    return victims;
  }

  async #slowWrites(): Promise<EndFault> {
    const engine = this.#anyEngine();
    await this.#slow(engine);
    return async () => {
      await engine.behave({});
      return true;
    };
  }

  async #killEngine(): Promise<EndFault> {
    const engine = this.#anyEngine();
    await this.#slow(engine);
    await pause(this.#upTo(400));
    const isBack = this.#options.outages.begin();
    await engine.kill();
    return async () => {
      await this.#options.stage.startEngine(engine);
      isBack();
      return true;
    };
  }

  async #dieWriting(): Promise<EndFault> {
    const engine = this.#anyEngine();
    const isBack = this.#options.outages.begin();
    await engine.behave({ die: { write: 1, eighths: this.#upTo(9) } });
    return async () => {
      const isAlive = await engine.behave({}).then(
        () => true,
        () => false,
      );
      if (!isAlive) await this.#options.stage.startEngine(engine);
      isBack();
      return !isAlive;
    };
  }

  /** Each of its answers is an error, and Envoy asks another engine. */
  async #failAnswers(): Promise<EndFault> {
    const engine = this.#anyEngine();
    await engine.behave({ fault: "error" });
    return async () => {
      await engine.behave({});
      return true;
    };
  }

  async #stopMoorline(signal: "SIGKILL" | "SIGTERM"): Promise<EndFault> {
    const { stage, outages } = this.#options;
    const engine = this.#anyEngine();
    await this.#slow(engine);
    const isBack = outages.begin();
    await stage.stopMoorline(signal);
    this.#starts += 1;
    await stage.startMoorline(this.#starts % 2 === 0 ? "wait" : "branch");
    isBack();
    return async () => {
      await engine.behave({});
      return true;
    };
  }

  async #listedBytes({ id, tenant }: Conversation): Promise<Target | undefined> {
    const { stage, isSabotage } = this.#options;
    const client = stage.client(tenant);
    const params = { path: { id } };
    const { data } = await client.GET("/v1/sessions/{id}/segments", { params });
    const listed = (data?.segments ?? []).filter(({ state }) => state === "durable");
    const first = listed[0];
    if (first === undefined || first.kv_uri === null) return undefined;
    const place = this.#upTo(first.bytes);
    const target = { path: stage.pathOf(first.kv_uri), offset: first.kv_start + place };
    if (!isSabotage) return target;
    const prompt = { ids: Array.from({ length: 64 }, () => 2 + this.#upTo(300)) };
    const plan = await client.POST("/v1/sessions/{id}/plan", { params, body: { prompt } });
    return plan.data?.fresh_kv_cache[0]?.kv_uri === first.kv_uri ? target : undefined;
  }

  /** Some writes end later than Moorline waits for them. */
  async #slow(engine: EngineProcess): Promise<void> {
    const isLate = this.#options.random() < 0.3;
    const write_delay_ms = isLate ? 600 + this.#upTo(1500) : this.#upTo(300);
    await engine.behave({ write_delay_ms, stall_ms: this.#upTo(60) });
  }

  #anyEngine(): EngineProcess {
    const { engines } = this.#options.stage;
    const engine = engines[this.#upTo(engines.length)];
    if (engine === undefined) throw new Error("there is no engine");
    return engine;
  }

  #upTo(end: number): number {
    return Math.floor(this.#options.random() * end);
  }
}

interface Target {
  readonly path: string;
  readonly offset: number;
}

function isDamage(kind: FaultKind): kind is keyof typeof DAMAGES {
  return Object.hasOwn(DAMAGES, kind);
}

const DAMAGES = {
  flipped_byte: async ({ path, offset }: Target) => {
    const file = await open(path, "r+");
    try {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, offset);
      buffer[0] = (buffer[0] ?? 0) ^ 0x41;
      await file.write(buffer, 0, 1, offset);
    } finally {
      await file.close();
    }
  },
  deleted_file: ({ path }: Target) => unlink(path),
  truncated_file: async ({ path, offset }: Target) => {
    const { size } = await stat(path);
    await truncate(path, Math.min(offset, size - 1));
  },
};
