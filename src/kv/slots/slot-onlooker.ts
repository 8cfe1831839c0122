/** What a turn of a session whose servers keep KV in slots would find, seen without making one. Which server the turn would go to, nobody knows here: it is told of all of them. */
import type { Clock, Scheduler } from "../../clock.ts";
import { unhurried } from "../../json/slices.ts";
import type { ChainContext } from "../chain/chain-format.ts";
import type { Prompt } from "../dialects/dialect.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { SessionKey } from "../records.ts";
import type { SnapshotLook, LookRequest } from "../snapshots/snapshot-onlooker.ts";
import type { ToSnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { TokenGuess } from "../tokens/token-guess.ts";
import type { Explanation } from "../turns/turn-plan.ts";
import { rest } from "../turns/unhurried.ts";
import { promptTokensOf } from "./prompt-tokens.ts";
import { reuseOf } from "./reuse.ts";
import type { SeatRequest } from "./seat.ts";
import type { SlotDesks } from "./slot-desks.ts";
import { LEAST_TOKENS } from "./slot-restorer.ts";
import type { SlotServer, SlotServerOffReason, SlotServerState } from "./slot-server.ts";
import { scopeOf } from "./slot-table.ts";

export interface SlotOnlookerOptions {
  readonly pool: string;
  readonly servers: { states(pool: string): readonly SlotServerState[] };
  readonly desks: Pick<SlotDesks, "homesOf">;
  readonly snapshots: {
    look(request: LookRequest): Promise<SnapshotLook | "unknown_tenant">;
  };
  readonly promptOf: ToSnapshotPrompt;
  readonly guess: Pick<TokenGuess, "of">;
  readonly clock: Clock & Scheduler;
}

export interface SlotExplainRequest {
  /** That is there or not. */
  readonly session: SessionKey;
  readonly prompt: Prompt;
  readonly context: ChainContext;
}

/** `segments` has the snapshot that would be restored, or nothing. `promptTokens` is a guess, but of ids. */
export interface SlotExplanation extends Omit<Explanation, "limit"> {
  readonly limit: SlotLimit;
  /** Where the session sits, as far as is known. */
  readonly slots: readonly SittingSession[];
}

/** Why no more would be restored. An off reason: no server of the pool could restore anything now. */
export type SlotLimit =
  | "nothing_stored"
  | "end_of_stored"
  | "diverged"
  | "location_unknown"
  | "not_worth"
  | SlotServerOffReason;

export interface SittingSession {
  /** Of the server. */
  readonly address: string;
  readonly slot: number;
  /** In the slot after its last turn; 0 where it had none there. */
  readonly tokens: number;
  /** About how many of the prompt's tokens it has. */
  readonly reusedTokens: number;
}

type Asked = Pick<SeatRequest, "session" | "prompt" | "promptTokens">;

/** Servers load what there is, to the token. */
const RULES = { pageSize: 1, loadThreshold: LEAST_TOKENS } as const;

export class SlotOnlooker {
  readonly #options: SlotOnlookerOptions;

  constructor(options: SlotOnlookerOptions) {
    this.#options = options;
  }

  async explain(request: SlotExplainRequest): Promise<SlotExplanation | "unknown_tenant"> {
    const { pool, servers, snapshots, promptOf, guess, clock } = this.#options;
    const { session } = request;
    const written = promptOf(request.prompt, request.context);
    const prompt = await unhurried(written, () => rest(clock));
    const promptTokens = promptTokensOf(request.prompt, prompt, guess);
    const states = servers.states(pool);
    const ready = states.flatMap((state) => (state.kind === "ready" ? [state.server] : []));
    const geometries = distinct(ready.map(({ geometry }) => geometry));
    const look = await snapshots.look({ session, prompt, geometries });
    if (look === "unknown_tenant") return look;
    const { prefixes, listed } = look;
    const [off] = states.flatMap((state) => (state.kind === "off" ? [state.reason] : []));
    const found = ready.length === 0 ? nothing(off ?? "engine_unknown") : restorable(look, ready);
    const used = new Set(found.segments.map(({ id }) => id));
    return {
      ...found,
      promptTokens,
      storedTokens: Math.min(found.storedTokens, promptTokens),
      rules: RULES,
      prefixes,
      unused: listed.filter(({ id }) => !used.has(id)),
      slots: this.#sitting({ session, prompt, promptTokens }, ready),
    };
  }

  #sitting(
    { session, prompt, promptTokens }: Asked,
    ready: readonly SlotServer[],
  ): readonly SittingSession[] {
    const scope = scopeOf(session, prompt);
    const homes = this.#options.desks.homesOf(session);
    return homes
      .filter(({ server }) => ready.includes(server))
      .map(({ address, slot, resident }) => {
        const isOpen = resident?.scope === scope;
        const reusedTokens = isOpen ? reuseOf(resident, { prompt, promptTokens }).tokens : 0;
        return { address, slot, tokens: resident?.tokens ?? 0, reusedTokens };
      });
  }
}

function distinct(keys: readonly GeometryKey[]): readonly GeometryKey[] {
  return [...new Map(keys.map((key) => [Buffer.from(key).toString("hex"), key])).values()];
}

type Found = Pick<SlotExplanation, "segments" | "storedTokens" | "limit">;

function nothing(limit: SlotLimit): Found {
  return { segments: [], storedTokens: 0, limit };
}

/** As far as it can be said without a turn: whether there is time to restore it, and whether that is sooner than computing it, is the turn's own. */
function restorable({ match, isOutOfReach }: SnapshotLook, ready: readonly SlotServer[]): Found {
  if (match === undefined) return nothing(isOutOfReach ? "location_unknown" : "nothing_stored");
  const { segment, commonTokens, commonUnits } = match;
  const longest = Math.max(...ready.map(({ contextTokens }) => contextTokens));
  if (commonTokens < LEAST_TOKENS || segment.tokenLength > longest) return nothing("not_worth");
  const isWhole = commonUnits === segment.snapshot?.units;
  const limit = isWhole ? "end_of_stored" : "diverged";
  return { segments: [segment], storedTokens: commonTokens, limit };
}
