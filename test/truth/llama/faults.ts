/** What happens to servers, files and Moorline during the truth run with llama-servers. */
import { open, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { askLlama } from "../../../demo/llama/ask.ts";
import type { LlamaServer } from "../../../demo/llama/server.ts";
import { actOnSlot, readSlots } from "../../../demo/llama/slots.ts";
import type { LlamaStage } from "../../../demo/llama/stage.ts";
import { atNextStagedFile } from "../../../demo/llama/staged-file.ts";
import type { Outages } from "../outages.ts";

export const FAULTS = [
  "none",
  "server_killed",
  "flipped_byte",
  "bypassed",
  "truncated",
  "killed_saving",
  "removed",
  "moorline_killed",
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface FaultPlaces {
  readonly stage: LlamaStage;
  readonly outages: Outages;
  readonly random: () => number;
}

/** How long what was killed is away. */
const AWAY_MS = 400;
const SAVE_DEADLINE_MS = 10_000;
/** Of the stored files, those that are damaged at once. */
const DAMAGED_SHARE = 0.5;
const DAMAGES = {
  flipped_byte: flipByte,
  truncated: cutShort,
  removed: async (path: string) => rm(path),
} as const;

export class LlamaFaults {
  readonly #stage: LlamaStage;
  readonly #outages: Outages;
  readonly #random: () => number;

  constructor({ stage, outages, random }: FaultPlaces) {
    this.#stage = stage;
    this.#outages = outages;
    this.#random = random;
  }

  /** While nobody asks anything. False: there was nothing to do it to. */
  async before(kind: FaultKind): Promise<boolean> {
    if (!(kind in DAMAGES)) return true;
    const damage = DAMAGES[kind as keyof typeof DAMAGES];
    const files = await this.#stage.storedFiles();
    const chosen = files.filter(() => this.#random() < DAMAGED_SHARE);
    for (const path of chosen) await damage(path);
    return chosen.length > 0;
  }

  /** While turns run. Resolves when all is back. */
  async during(kind: FaultKind): Promise<void> {
    switch (kind) {
      case "server_killed":
        return this.#kill(this.#pickServer());
      case "killed_saving":
        return this.#killSaving();
      case "moorline_killed":
        return this.#killMoorline();
      case "bypassed":
        return this.#bypass();
      default:
        return undefined;
    }
  }

  /** What is in every slot gets other bytes behind everybody's back: then answers must differ. */
  async sabotage(): Promise<void> {
    for (const { url, isRunning } of this.#stage.servers) {
      if (!isRunning) continue;
      for (const { id, n_prompt_tokens: tokens = 0 } of await readSlots(url)) {
        if (tokens > 0) await this.#poison(url, id);
      }
    }
  }

  async #poison(url: string, slot: number): Promise<void> {
    const filename = "sabotage.slot";
    const path = join(this.#stage.staging, filename);
    await actOnSlot(url, { slot, action: "save", filename });
    const { size } = await stat(path);
    const file = await open(path, "r+");
    // Tokens come first, then the keys of all layers, then their values: of the first layer's these are some, and nothing else.
    const values = Buffer.alloc(2 * Math.floor(0.03 * size), 0x3a);
    await file.write(values, 0, values.length, Math.floor(0.53 * size));
    await file.close();
    const { status } = await actOnSlot(url, { slot, action: "restore", filename });
    if (status !== 200) throw new Error(`the server did not take it: ${status}`);
    await rm(path);
  }

  async #kill(server: LlamaServer): Promise<void> {
    const end = this.#outages.begin();
    await server.kill();
    await pause(AWAY_MS);
    await server.start();
    await this.#stage.known(this.#stage.servers.length);
    end();
  }

  /** In the midst of a save or a restore, of whichever server it is. */
  async #killSaving(): Promise<void> {
    const server = this.#pickServer();
    const isChanged = atNextStagedFile(this.#stage.staging, () => {});
    await Promise.race([isChanged, pause(SAVE_DEADLINE_MS)]);
    await this.#kill(server);
  }

  async #killMoorline(): Promise<void> {
    const end = this.#outages.begin();
    await this.#stage.restartMoorline();
    end();
  }

  /** Clients that know nothing of slots. */
  async #bypass(): Promise<void> {
    const prompt = "A word from somebody who goes around everything. ".repeat(4);
    const asks = this.#stage.servers.flatMap(({ url }) =>
      Array.from({ length: 3 }, async (_, at) =>
        askLlama({ url, prompt: `${at}${prompt}`, tokens: 4 }),
      ),
    );
    await Promise.allSettled(asks);
  }

  #pickServer(): LlamaServer {
    const { servers } = this.#stage;
    return servers[Math.floor(this.#random() * servers.length)] as LlamaServer;
  }
}

async function flipByte(path: string): Promise<void> {
  const { size } = await stat(path);
  const at = Math.floor(size / 2);
  const file = await open(path, "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  buffer[0] = (buffer[0] ?? 0) ^ 0x40;
  await file.write(buffer, 0, 1, at);
  await file.close();
}

async function cutShort(path: string): Promise<void> {
  await truncate(path, (await stat(path)).size - 1);
}
