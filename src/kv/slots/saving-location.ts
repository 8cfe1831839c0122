/**
 * In which location a server saves: what it was started with, it does not say, so it is asked to save something, and that is looked for. Saving is slow where there is much to be
 * saved, so the slot is the emptiest that is idle; a slot in which nothing is makes some 40 bytes. The server is asked once: a file that is found nowhere yet may be found when
 * a location is there again. Where it is found and cannot be kept, the next one may.
 */
import { LocationFault } from "../location.ts";
import type { StagedName, Staging } from "../staging.ts";
import type { SlotCalls } from "./slot-calls.ts";
import { NOT_THERE } from "./slot-questions.ts";
import { SlotFault } from "./slot-server.ts";

/** `unknown`: it cannot be said now. `nowhere`: in none of them that are there, or where we cannot read or keep it, or it cannot save. */
export type SavingLocation =
  | { readonly kind: "at"; readonly location: string }
  | { readonly kind: "slots_off"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string }
  | { readonly kind: "nowhere"; readonly why: string };

export interface LocationProbeOptions {
  readonly calls: Pick<SlotCalls, "look" | "save">;
  /** By location. */
  readonly stagings: ReadonlyMap<string, Pick<Staging, "examine" | "assess" | "remove">>;
  /** Never the same twice. */
  readonly newStagedName: () => StagedName;
}

/** Of one process. */
export class LocationProbe {
  readonly #options: LocationProbeOptions;
  /** What it has saved and nobody has found. */
  #saved: StagedName | undefined;

  constructor(options: LocationProbeOptions) {
    this.#options = options;
  }

  async find(signal: AbortSignal): Promise<SavingLocation> {
    const saved = this.#saved ?? (await this.#save(signal));
    if (typeof saved !== "string") return saved;
    this.#saved = saved;
    return this.#lookup(saved);
  }

  async #save(signal: AbortSignal): Promise<StagedName | SavingLocation> {
    const { calls, newStagedName } = this.#options;
    const looks = await calls.look(signal);
    if (looks instanceof SlotFault) return { kind: "unknown", why: looks.message };
    const [emptiest] = looks
      .filter(({ isBusy }) => !isBusy)
      .toSorted((a, b) => a.tokens - b.tokens);
    if (emptiest === undefined) return { kind: "unknown", why: "all its slots are busy" };
    const name = newStagedName();
    const saved = await calls.save(emptiest.id, name, signal);
    if (!(saved instanceof SlotFault)) return name;
    if (NOT_THERE.has(saved.status)) return { kind: "slots_off", why: saved.message };
    return { kind: saved.code === "refused" ? "nowhere" : "unknown", why: saved.message };
  }

  async #lookup(name: StagedName): Promise<SavingLocation> {
    const whys: string[] = [];
    for (const [location, staging] of this.#options.stagings) {
      const staged = await staging.examine(name);
      if (!(staged instanceof LocationFault)) {
        const fault = await staging.assess(name);
        await staging.remove(name); // what cannot be removed is swept
        if (fault === undefined) return { kind: "at", location };
        this.#saved = undefined;
        whys.push(`what it saves in ${location} cannot be kept: ${fault.message}`);
      } else if (staged.code !== "not_found") whys.push(`${location}: ${staged.message}`);
    }
    const ids = [...this.#options.stagings.keys()].join(", ");
    const elsewhere = `what it saved is in the staging folder of none of these: ${ids}`;
    return { kind: "nowhere", why: whys.length === 0 ? elsewhere : whys.join("; ") };
  }
}
