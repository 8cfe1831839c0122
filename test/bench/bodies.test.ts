import { expect, it } from "vitest";
import { bytesOf, HURTFUL_BODIES } from "../../bench/bodies/bodies.ts";
import { measureBodies } from "../../bench/bodies/suite.ts";
import { createDialect } from "../../src/kv/dialects/dialects.ts";

it("tells of every body how long its reading takes, and the longest piece of that", () => {
  const told: string[] = [];
  const result = measureBodies({ bodyBytes: 64 * 1024, rounds: 2 }, (text) => told.push(text));
  expect(result).toMatchObject({ suite: "bodies", body_bytes: 64 * 1024 });
  expect(Object.keys(result.bodies)).toEqual(HURTFUL_BODIES.map(({ name }) => name));
  for (const { total_ms, longest_piece_ms } of Object.values(result.bodies)) {
    expect(longest_piece_ms).toBeGreaterThan(0);
    expect(total_ms).toBeGreaterThanOrEqual(longest_piece_ms);
  }
  expect(told.at(-1)).toContain("longest piece");
});

it.each(HURTFUL_BODIES)("reads $name as it is meant", (body) => {
  const size = 64 * 1024;
  const bytes = bytesOf(body, size);
  expect(bytes.length).toBeGreaterThan(size - 2_000);
  expect(bytes.length).toBeLessThanOrEqual(size);
  const read = createDialect({ name: "sglang-explicit", exposeKv: false }).readBody(
    body.path,
    bytes,
  );
  if (read.kind === "unreadable") throw new Error(`unreadable at ${read.offset}`);
  const isForged = /forged|respelled/.test(body.name);
  expect(read.removed > 0).toBe(isForged);
  const reason = body.name.startsWith("small_") ? "unknown_field" : undefined;
  expect(read.turn).toMatchObject(
    reason === undefined ? { kind: "turn" } : { kind: "none", reason },
  );
});
