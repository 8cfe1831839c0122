/** What many conversations begin with has copies at two locations, and is read at both. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { type ComputingStack, startComputingStack } from "../support/computing-stack.ts";
import { metric } from "../support/moorline-view.ts";
import { entriesIn } from "../support/root-entries.ts";
import { askTurn, freshTurn, type Turn } from "../support/turn-client.ts";
import { until } from "../support/until.ts";

const LOCATIONS = ["one", "two"];
const TURNS = 20;
/** A read or two are often; what is hot stays hot for as long as the test takes. */
const REPLICAS = { readsPerSecondPerCopy: 0.001, halfLifeMs: 10_000, coolDownMs: 1_000 };
/** What all of them begin with. */
const SHARED = Array.from({ length: 208 }, (_, at) => 100 + ((at * 7) % 200));

async function open(): Promise<ComputingStack> {
  const stack = await startComputingStack({
    folders: LOCATIONS,
    limits: { cacheTokens: 0 },
    kv: { replicas: REPLICAS, keeper: { intervalMs: 50 } },
  });
  onTestFinished(() => stack.close());
  return stack;
}

/** A conversation that begins as all of them do and stores what is its own; how much of that was reused, in an answer that is right. */
async function ask(stack: ComputingStack, session: string, letters = session.repeat(4)) {
  const own = Array.from(letters, (letter) => letter.charCodeAt(0));
  const turn: Turn = { session, newTokens: 16, prompt: { ids: [...SHARED, ...own] } };
  const answer = await stack.toItsEnd(() => askTurn(stack.url, turn));
  const { text, digest } = freshTurn(turn);
  expect(answer).toMatchObject({ text, digest, kv: `reused=${answer.cachedTokens}` });
  return answer.cachedTokens;
}

async function askAll(stack: ComputingStack, name: string): Promise<readonly number[]> {
  const reused: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) reused.push(await ask(stack, `${name}-${turn}`));
  return reused;
}

const made = ({ moorline }: ComputingStack) =>
  metric(moorline, 'moorline_kv_replicas_made_total{cause="reads",result="copied"}');

const readsAt = ({ moorline }: ComputingStack) =>
  Promise.all(
    LOCATIONS.map((id) => metric(moorline, `moorline_kv_segment_reads_total{location="${id}"}`)),
  );

it("of what many conversations begin with a second copy is made, both are read alike, and either is enough [T8]", async () => {
  const stack = await open();
  expect(await ask(stack, "first", "")).toBe(0);
  expect(await ask(stack, "second")).toBe(208);
  await until(async () => (await made(stack)) >= 1);
  const before = await readsAt(stack);
  expect(new Set(await askAll(stack, "many"))).toEqual(new Set([208]));
  const reads = (await readsAt(stack)).map((count, at) => count - (before[at] ?? 0));
  const all = reads.reduce((sum, count) => sum + count, 0);
  expect(all).toBeGreaterThanOrEqual(TURNS);
  for (const count of reads) expect(Math.abs(count / all - 0.5)).toBeLessThan(0.1);

  const lost = join(stack.root, "one");
  for (const name of await entriesIn(lost)) await rm(join(lost, name), { recursive: true });
  expect(new Set(await askAll(stack, "after"))).toEqual(new Set([208]));
});
