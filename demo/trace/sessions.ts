/**
 * The trace names no conversations, only the blocks of each prompt. A request continues the latest earlier one whose
 * blocks, without its last (which was not full yet), begin its own, if those are at least two; else it opens a session.
 */

/** One line of the trace: what a request asked for and when. Blocks are 512 tokens, the last one perhaps fewer. */
export interface TraceRequest {
  /** Milliseconds since the trace began. */
  readonly timestamp: number;
  /** Tokens. */
  readonly input_length: number;
  /** Tokens. */
  readonly output_length: number;
  /** The same number is the same block after the same blocks. */
  readonly hash_ids: readonly number[];
}

export interface SessionRequest {
  readonly request: TraceRequest;
  /** Numbers from 0 in the order in which sessions open. */
  readonly session: number;
}

const fewestSharedBlocks = 2;

export function assignSessions(requests: readonly TraceRequest[]): SessionRequest[] {
  const assigned: SessionRequest[] = [];
  /** From the blocks that a continuation begins with to the position of the latest request that can be continued so. */
  const latest = new Map<string, number>();
  let sessions = 0;
  for (const request of requests) {
    const parent = findParent(request.hash_ids, latest);
    const session = parent === undefined ? sessions++ : assigned[parent]?.session;
    if (session === undefined) throw new Error("a parent precedes its continuation");
    const shared = request.hash_ids.slice(0, -1);
    if (shared.length >= fewestSharedBlocks) latest.set(shared.join(), assigned.length);
    assigned.push({ request, session });
  }
  return assigned;
}

function findParent(
  blocks: readonly number[],
  latest: ReadonlyMap<string, number>,
): number | undefined {
  let parent: number | undefined;
  for (let shared = fewestSharedBlocks; shared <= blocks.length; shared += 1) {
    const position = latest.get(blocks.slice(0, shared).join());
    if (position !== undefined && (parent === undefined || position > parent)) parent = position;
  }
  return parent;
}

/** One request per line, as the trace has them. */
export function parseTrace(text: string): TraceRequest[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as TraceRequest);
}
