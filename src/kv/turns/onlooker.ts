/** What plans would list now, seen without making one: nothing is used, leased or dropped. */
import type { Catalog } from "../catalog.ts";
import { isWithin, type Reach } from "../reach.ts";
import type { Prefix } from "../records.ts";
import type { Lister } from "./listing.ts";
import type { Places } from "./places.ts";
import { placesOf } from "./planned.ts";
import type { Scope, Settings } from "./settings.ts";
import type { TextSequence, TokenSequence } from "./token-sequence.ts";
import type {
  Explanation,
  ExplainRequest,
  Survey,
  SurveyRequest,
  UnplannedReason,
} from "./turn-plan.ts";

export interface OnlookerOptions {
  readonly catalog: Pick<Catalog, "segments">;
  readonly settings: Settings;
  readonly lister: Lister;
  readonly places: Pick<Places, "within">;
}

/** Of one survey: the first at all that anybody reaches, the others at what some of them do. */
const LOOKS_LIMIT = 8;

export class Onlooker {
  readonly #options: OnlookerOptions;

  constructor(options: OnlookerOptions) {
    this.#options = options;
  }

  async explain(asked: ExplainRequest): Promise<Explanation | UnplannedReason> {
    const { catalog, settings, lister } = this.#options;
    const { session, prompt } = asked;
    const setting =
      asked.model === undefined
        ? await settings.settingOf(session)
        : settings.scopeOf(session, asked.model);
    if (typeof setting === "string") return setting;
    const { rules } = setting.model;
    const prefixes = await settings.prefixesOf(setting);
    const { index, within } = await this.#viewOf(prompt, setting, prefixes);
    const { segments, tokens, limit } = await lister.look(within(undefined), setting.model);
    const used = new Set(segments.map(({ id }) => id));
    const unused = (await catalog.segments(session)).filter(({ id }) => !used.has(id));
    const promptTokens = index.promptTokens(tokens);
    return { promptTokens, segments, storedTokens: tokens, limit, rules, prefixes, unused };
  }

  /**
   * Looks no more often than it must: who reaches all that the best listing is made of would list as much, and where there is nothing
   * to list, nobody lists anything. Nor does it read what plans read again, for a choice that may be of none of it.
   */
  async survey(asked: SurveyRequest): Promise<Survey | UnplannedReason> {
    const { session, prompt, model, reaches } = asked;
    const scope = this.#options.settings.scopeOf(session, model);
    if (typeof scope === "string") return scope;
    const prefixes = await this.#options.settings.prefixesOf(scope);
    const { index, within } = await this.#viewOf(prompt, scope, prefixes);
    const look = (reach: Reach) => this.#options.lister.glance(within(reach), scope.model);
    const best = await look(new Set(reaches.flatMap((reach) => [...reach])));
    const needed = placesOf(best.segments);
    const storedTokens = new Map<Reach, number>();
    let looks = 1;
    const nearest = reaches.toSorted((a, b) => sharedWith(needed, b) - sharedWith(needed, a));
    for (const reach of nearest) {
      if (isWithin(needed, reach)) storedTokens.set(reach, best.tokens);
      else if (looks++ < LOOKS_LIMIT) storedTokens.set(reach, (await look(reach)).tokens);
      else break;
    }
    return { promptTokens: index.promptTokens(best.tokens), storedTokens };
  }

  async #viewOf(sequence: TokenSequence | TextSequence, scope: Scope, prefixes: readonly Prefix[]) {
    const { settings, places } = this.#options;
    const { session, model } = scope;
    const index = await settings.indexOf({ sequence, output: [] }, scope, prefixes);
    const request = { session, prompt: index.view, rules: model.rules };
    const within = (reach: Reach | undefined) => ({ ...request, locations: places.within(reach) });
    return { index, within };
  }
}

function sharedWith(needed: ReadonlySet<string>, reach: Reach): number {
  return [...needed].filter((id) => reach.has(id)).length;
}
