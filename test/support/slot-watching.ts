/** Watches recorded servers as the service does, with time in the test's hand. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDigests } from "../../src/digests.ts";
import { openHttpConnection } from "../../src/kv/engines/engine-connection.ts";
import { LocationFault } from "../../src/kv/location.ts";
import { SlotServerWatch, type SlotWatchOptions } from "../../src/kv/slots/slot-server-watch.ts";
import type { SlotServerState } from "../../src/kv/slots/slot-server.ts";
import type { StagedName, Staging } from "../../src/kv/staging.ts";
import { FakeClock } from "./fake-clock.ts";
import { RecordedLlama } from "./recorded-llama.ts";

export function nameOf(state: SlotServerState): string {
  return state.kind === "ready" ? state.server.instance : state.reason;
}

/** A folder that is looked into, and nothing more. */
export function plainStaging(path: string): Pick<Staging, "examine" | "assess" | "remove"> {
  const at = (name: StagedName) => join(path, name);
  return {
    examine: (name) =>
      Promise.resolve(
        existsSync(at(name))
          ? {
              bytes: 36,
              crc: 0,
              stat: { sizeBytes: 36, identity: "1", content: "1", modifiedAtMs: 0 },
            }
          : new LocationFault("not_found", "no such file"),
      ),
    assess: () => Promise.resolve(undefined),
    remove: (name) => {
      rmSync(at(name));
      return Promise.resolve(true);
    },
  };
}

const TURN_MS = 50;
const TURNS_LIMIT = 20_000;

export class SlotWatching {
  readonly clock = new FakeClock();
  readonly folder = mkdtempSync(join(tmpdir(), "moorline-slots-"));
  /** `from -> to: why`, and what was not answered. */
  readonly told: string[] = [];
  readonly #open: (() => Promise<void>)[] = [];
  #made = 0;

  /** Shared by all that are watched. */
  get options(): Omit<SlotWatchOptions, "target" | "facts" | "startDelayMs" | "events"> {
    return {
      stagings: new Map([["disk", plainStaging(this.folder)]]),
      newStagedName: () => `probe-${++this.#made}.slot` as StagedName,
      open: openHttpConnection,
      models: { digest: () => Promise.resolve("00ff") },
      digests: createDigests(),
      scheduler: this.clock,
      random: () => 0.5,
      newInstance: () => `instance-${++this.#made}`,
    };
  }

  async serve(port?: number): Promise<RecordedLlama> {
    const llama = await RecordedLlama.start(port);
    llama.saveFolder = this.folder;
    this.#open.push(() => llama.kill().catch(() => {}));
    return llama;
  }

  watch(target: SlotWatchOptions["target"], options: Partial<SlotWatchOptions> = {}) {
    const watch = new SlotServerWatch({
      ...this.options,
      target,
      startDelayMs: 0,
      facts: {
        expected: { slots: undefined, contextTokens: undefined },
        modelId: undefined,
        cacheTypeK: "f16",
        cacheTypeV: "f16",
      },
      events: {
        stateChanged: (from, to, why) =>
          this.told.push(`${nameOf(from)} -> ${nameOf(to)}: ${why ?? ""}`),
        unanswered: (why) => this.told.push(`unanswered: ${why}`),
      },
      ...options,
    });
    this.#open.push(() => watch.close());
    return watch;
  }

  /**
   * Moves time on, a little at a time, until it is so. Servers are of this process, and answer within a few turns of its loop: long before anybody's patience ends that
   * is counted in this time.
   */
  async until(claim: () => boolean): Promise<void> {
    for (let turns = 0; !claim(); turns++) {
      if (turns > TURNS_LIMIT) throw new Error(`did not come true: ${claim.toString()}`);
      await this.clock.advance(TURN_MS);
    }
  }

  async close(): Promise<void> {
    for (const close of this.#open.toReversed()) await close();
    rmSync(this.folder, { recursive: true });
  }
}
