/** Turns of texts that nobody but the engine tokenises: a test says how many tokens the engine makes of each. */
import { open } from "node:fs/promises";

import { SpecialStrings } from "../../src/kv/text/special-strings.ts";
import type { TextSequence } from "../../src/kv/turns/token-sequence.ts";
import type { CommitOutcome, PlannedSegment, TurnPlan } from "../../src/kv/turns/turn-plan.ts";
import { SMALL } from "./small-model.ts";
import { session, spans, type TurnBench, turnOf, written } from "./turn-bench.ts";

/** Two layers of one head, so that the bytes of a token lie in four planes. */
export const FOUR_PLANES = { ...SMALL, layers: 2, headDim: 1, pageSize: 4 };
const PLANES = 4;
const UNIT_BYTES = 2;

const MARKS = new SpecialStrings(["<s>"]);

export const GUESS = 20;

export async function textOf(text: string): Promise<TextSequence> {
  const split = await MARKS.split(text, async () => {});
  if (split === undefined) throw new Error("no text");
  return { kind: "text", context: {}, text: split, guessedTokens: GUESS };
}

/** Of the session "a". */
export class TextTurns {
  readonly bench: TurnBench;

  constructor(bench: TurnBench) {
    this.bench = bench;
  }

  async plan(text: string, id = "a"): Promise<TurnPlan> {
    const asked = { session: session(id), maxNewTokens: 0, engine: undefined };
    return this.bench.desk.plan({ ...asked, prompt: await textOf(text) });
  }

  /** As an engine that has `tokens` by now, of which `promptTokens` are the text's, and has written the whole pages of them. */
  async commit(
    plan: TurnPlan,
    [promptTokens, tokens]: readonly [number, number],
    { text } = plan,
  ): Promise<CommitOutcome> {
    const segments = written(plan, tokens - (tokens % FOUR_PLANES.pageSize));
    for (const segment of segments) await this.write(segment);
    if (text === undefined) throw new Error("not planned");
    const prompt = { ...text, promptTokens };
    const engine = async () => undefined;
    return this.bench.desk.commit({ turn: turnOf(plan), prompt, output: [], segments, engine });
  }

  /** A whole turn, of which all that can be is listed from now on. The engine answers with 6 tokens. */
  async turn(text: string, promptTokens: number, id = "a"): Promise<TurnPlan> {
    const plan = await this.plan(text, id);
    await this.commit(plan, [promptTokens, promptTokens + 6]);
    await this.bench.desk.settled();
    return plan;
  }

  /** `[tokenStart, tokenLength]` of what a plan lists. */
  async found(text: string, id = "a"): Promise<number[][]> {
    const plan = await this.plan(text, id);
    if (plan.fresh.kind === "reserved") await this.bench.desk.abort(plan.fresh.turn, "client_gone");
    return spans(plan.stored);
  }

  async write({ kvUri, kvStart, tokenStart, tokenLength }: PlannedSegment): Promise<void> {
    const file = await open(this.bench.pathOf(kvUri), "r+");
    const bytes = markedBytes(tokenStart, tokenLength);
    await file.write(bytes, 0, bytes.length, kvStart);
    await file.close();
  }

  async read({ kvUri, kvStart, tokenLength }: PlannedSegment): Promise<Uint8Array> {
    const file = await open(this.bench.pathOf(kvUri));
    const bytes = new Uint8Array(tokenLength * PLANES * UNIT_BYTES);
    await file.read(bytes, 0, bytes.length, kvStart);
    await file.close();
    return bytes;
  }
}

/** A segment of which each unit says of which token and plane it is. */
export function markedBytes(tokenStart: number, tokens: number): Uint8Array {
  const bytes = new Uint8Array(tokens * PLANES * UNIT_BYTES);
  for (let plane = 0; plane < PLANES; plane++) {
    for (let token = 0; token < tokens; token++) {
      bytes.set([tokenStart + token + 1, plane + 1], UNIT_BYTES * (plane * tokens + token));
    }
  }
  return bytes;
}
