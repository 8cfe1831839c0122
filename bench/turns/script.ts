/**
 * What is said: conversations of the demo's trace, in the order of its requests. Lengths are scaled to what the demo's engines compute
 * in a second: a block of 512 tokens becomes a few words of its own, and blocks that requests share are words that they share. A turn
 * says the blocks that the one before it did not have; each prompt begins with all that was said before, answers included.
 */
import { readFile } from "node:fs/promises";
import { assignSessions, parseTrace, type TraceRequest } from "../../demo/trace/sessions.ts";

export interface ScriptedTurn {
  readonly conversation: string;
  /** After what was said before. */
  readonly says: string;
}

export interface ScriptPlan {
  readonly conversations: number;
  /** Of each conversation, its first ones. */
  readonly turns: number;
}

const TRACE = new URL("../../demo/trace/conversations.jsonl", import.meta.url);
/** Some 25 tokens of the demo's tokenizer. */
const WORDS_PER_BLOCK = 4;
/** Of its first turn. Other conversations are left out: too short to be worth storing, or too long to be computed so often. */
const BLOCKS = { fewest: 12, most: 32 } as const;

export async function readScript(plan: ScriptPlan): Promise<readonly ScriptedTurn[]> {
  const all = assignSessions(parseTrace(await readFile(TRACE, "utf8")));
  const sessions = Map.groupBy(all, ({ session }) => session);
  const chosen = Array.from(sessions.values(), (turns) => turns.slice(0, plan.turns))
    .filter((turns) => turns.length === plan.turns && isFit(turns[0]?.request))
    .slice(0, plan.conversations);
  const timed = chosen.flatMap((turns) =>
    turns.map(({ request, session }, at) => ({
      timestamp: request.timestamp,
      conversation: `talk-${session}`,
      says: text(newBlocks(request, turns[at - 1]?.request)),
    })),
  );
  return timed.toSorted((a, b) => a.timestamp - b.timestamp);
}

function isFit(first: TraceRequest | undefined): boolean {
  const blocks = first?.hash_ids.length ?? 0;
  return blocks >= BLOCKS.fewest && blocks <= BLOCKS.most;
}

function newBlocks(request: TraceRequest, before: TraceRequest | undefined): readonly number[] {
  const known = new Set(before?.hash_ids);
  return request.hash_ids.filter((block) => !known.has(block));
}

function text(blocks: readonly number[]): string {
  const words = blocks.flatMap((block) =>
    Array.from({ length: WORDS_PER_BLOCK }, (_, index) => `${block.toString(36)}.${index}`),
  );
  return `\n${words.join(" ")}\n`;
}
