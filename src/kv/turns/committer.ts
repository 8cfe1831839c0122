/** What becomes of what an engine says that it has written for a turn. */
import type { Catalog } from "../catalog.ts";
import type { Digest, Digests } from "../digest.ts";
import type { Segment } from "../records.ts";
import type { SegmentWriter } from "../verify/segment-verifier.ts";
import { reportedSegments } from "./engine-report.ts";
import type { Places } from "./places.ts";
import type { PromptIndex } from "./prompt-index.ts";
import type { SessionQueue } from "./session-queue.ts";
import type { Setting, Settings } from "./settings.ts";
import type { PendingPart, Settlements } from "./settlements.ts";
import { TextReport } from "./text-report.ts";
import type { CommitOutcome, CommitRequest } from "./turn-plan.ts";
import { isTurnOf } from "./turn-seal.ts";

export interface CommitterOptions {
  readonly catalog: Catalog;
  readonly settings: Pick<Settings, "settingOf" | "indexOf">;
  readonly places: Pick<Places, "location">;
  readonly queue: Pick<SessionQueue, "wake">;
  readonly digests: Digests;
  readonly settlements: Pick<Settlements, "add">;
  readonly nowMs: () => number;
  /** From the commit until everything is verified, or dropped. */
  readonly settleMs: number;
}

export class Committer {
  readonly #options: CommitterOptions;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  async commit(request: CommitRequest): Promise<CommitOutcome> {
    const { catalog, settings, places, queue, nowMs, settleMs } = this.#options;
    const turn = await catalog.turn(request.turn);
    const setting = turn === undefined ? undefined : await settings.settingOf(turn.session);
    if (turn === undefined || setting === "no_session") return conflict("unknown_turn");
    if (typeof setting !== "object") return conflict("other_prompt");
    const { promptKey, index, cutsOf } = await this.#told(request, setting);
    if (!isTurnOf(turn.id, promptKey)) return conflict("other_prompt");
    const location = places.location(turn.file.location);
    if (location === undefined) return conflict("location_unknown");

    const pending = await Promise.all(turn.pending.map(async (id) => catalog.segment(id)));
    const segments = reportedSegments({
      parts: pending.filter((segment) => segment !== undefined),
      answers: request.segments,
      index,
      location,
    });
    const now = nowMs();
    const settleByMs = now + settleMs;
    const outcome = await catalog.report({ turn: turn.id, nowMs: now, settleByMs, segments });
    queue.wake(turn.session);
    if (outcome.kind === "conflict") return outcome;
    const writer: SegmentWriter = { atPlan: turn.engine, probe: { instance: request.engine } };
    const { layout } = setting.model;
    const { priority } = setting.session.retention;
    const written = outcome.pending.map((segment) => {
      const cuts = cutsOf(segment);
      return { segment, layout, location, writer, cuts, settleByMs, priority };
    });
    return { ...outcome, settled: this.#options.settlements.add(written) };
  }

  async #told({ prompt, output }: CommitRequest, setting: Setting): Promise<ToldPrompt> {
    const { settings, digests } = this.#options;
    if (prompt.kind === "text") {
      const index = new TextReport(prompt, setting, digests);
      return { promptKey: index.key, index, cutsOf: (segment) => index.cutsOf(segment) };
    }
    const index = await settings.indexOf({ sequence: prompt, output }, setting, []);
    const promptKey = index.keyAt(index.view.length - output.length);
    return { promptKey, index, cutsOf: () => "whole" };
  }
}

/** The prompt of a turn, and what was written of it. */
interface ToldPrompt {
  readonly promptKey: Digest;
  readonly index: Pick<PromptIndex, "chainOf">;
  readonly cutsOf: (segment: Segment) => PendingPart["cuts"];
}

type Conflict = Extract<CommitOutcome, { kind: "conflict" }>;

function conflict(reason: Conflict["reason"]): Conflict {
  return { kind: "conflict", reason };
}
