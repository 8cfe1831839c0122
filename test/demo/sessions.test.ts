import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assignSessions, parseTrace } from "../../demo/trace/sessions.ts";

function sessionsOf(...prompts: number[][]): number[] {
  const requests = prompts.map((hash_ids, at) => ({
    timestamp: at,
    input_length: hash_ids.length * 512,
    output_length: 1,
    hash_ids,
  }));
  return assignSessions(requests).map(({ session }) => session);
}

describe("assignSessions", () => {
  it("continues a session when all blocks but the last come again", () => {
    expect(sessionsOf([0, 1, 2], [0, 1, 3, 4])).toEqual([0, 0]);
  });

  it("opens a session when fewer than two blocks are shared", () => {
    expect(sessionsOf([0, 1], [0, 2, 3])).toEqual([0, 1]);
  });

  it("opens a session when one of the shared blocks differs", () => {
    expect(sessionsOf([0, 1, 2, 3], [0, 1, 9, 4])).toEqual([0, 1]);
  });

  it("continues a prompt that was repeated without growing", () => {
    expect(sessionsOf([0, 1, 2], [0, 1])).toEqual([0, 0]);
  });

  it("prefers the latest request to the one that shares most", () => {
    // The third shares three blocks with the first, and two with the second, which is later.
    expect(sessionsOf([0, 1, 2, 3], [0, 1, 8], [0, 1, 2, 4])).toEqual([0, 1, 1]);
  });

  it("follows a session over several turns", () => {
    expect(sessionsOf([0, 1, 2], [5, 6, 7], [0, 1, 3, 4], [0, 1, 3, 8, 9])).toEqual([0, 1, 0, 0]);
  });
});

describe("the sample", () => {
  it("has 75 conversations of at least three requests", async () => {
    const path = join(import.meta.dirname, "..", "..", "demo", "trace", "conversations.jsonl");
    const requests = assignSessions(parseTrace(await readFile(path, "utf8")));
    const sizes = [...Map.groupBy(requests, ({ session }) => session).values()].map(
      (turns) => turns.length,
    );
    expect(requests).toHaveLength(282);
    expect(sizes).toHaveLength(75);
    expect(Math.min(...sizes)).toBe(3);
  });
});
