/** Conversations whose KV lies where no engine reaches it: brought near before the turn, or computed where that is sooner. */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { startMoorline, type MoorlineSettings } from "../../demo/stack/moorline.ts";
import { type ComputingStack, startComputingStack } from "../support/computing-stack.ts";
import { metric } from "../support/moorline-view.ts";
import { askTurn, freshTurn, type Turn } from "../support/turn-client.ts";
import { until } from "../support/until.ts";

const PLACE = { capacityBytes: 2 ** 30, freeFloorBytes: 0 };
const ARCHIVE = { ...PLACE, id: "archive", root: "shared", uriPrefix: "file:///shared/" };
const NEAR = { ...PLACE, id: "near", root: "node-one/one", uriPrefix: "file:///one/" };

/** Turns from which the predictor has learnt what a token costs. */
const SHOWN = 6;

const IDS = Array.from({ length: 200 }, (_, at) => 100 + ((at * 7) % 200));
const FIRST = { session: "s", newTokens: 16, prompt: { ids: IDS } };
const SECOND = {
  ...FIRST,
  prompt: { ids: [...IDS, ...freshTurn(FIRST).outputIds, 101, 102, 103] },
};

/** A first turn is stored; then its place is an archive, and there is a faster one, with nothing in it. */
async function startWithArchive(kv: MoorlineSettings = {}): Promise<ComputingStack> {
  const stack = await startComputingStack({
    engines: ["a"],
    nodes: { a: "one" },
    kv: { locations: [ARCHIVE] },
  });
  onTestFinished(() => stack.close());
  const { kv: stored } = await stack.toItsEnd(() => ask(stack, FIRST));
  expect(stored).toBe("reused=0");
  await stack.settled(1);

  const { moorline } = stack;
  const before = parse(await readFile(moorline.configPath, "utf8")) as { kv: MoorlineSettings };
  await moorline.child.close();
  const locations = [
    { ...ARCHIVE, tier: "remote", engines: false },
    { ...NEAR, tier: "memory" },
  ];
  const settings = { ...before, kv: { ...before.kv, locations, ...kv } };
  const places = { extproc: moorline.extprocPort, admin: moorline.adminPort };
  const again = await startMoorline(settings, { ...places, folder: dirname(moorline.configPath) });
  onTestFinished(() => again.child.close());
  const ready = 'moorline_kv_engines{pool="default",state="ready"}';
  await until(async () => (await metric(moorline, ready)) === 1);
  return stack;
}

async function ask(stack: ComputingStack, turn: Turn) {
  const answer = await askTurn(stack.url, turn);
  const { text, digest, promptTokens } = freshTurn(turn);
  expect(answer).toMatchObject({ text, digest, promptTokens });
  expect(answer.kv).toBe(`reused=${answer.cachedTokens}`);
  return answer;
}

function holds(stack: ComputingStack, outcome: string): Promise<number> {
  return metric(stack.moorline, `moorline_kv_readahead_holds_total{outcome="${outcome}"}`);
}

const COPIED = 'moorline_kv_readahead_copies_total{from="remote",to="memory",result="copied"}';

it("a turn is held until its KV is near, reuses it, and answers as a fresh engine does [T8]", async () => {
  const stack = await startWithArchive();
  const answer = await stack.toItsEnd(() => ask(stack, SECOND));
  expect(answer.cachedTokens).toBeGreaterThanOrEqual(192);
  expect(await holds(stack, "near")).toBe(1);
  expect(await metric(stack.moorline, COPIED)).toBeGreaterThan(0);
});

it("a turn is not held where copying takes longer than computing, and answers as a fresh engine does [T8]", async () => {
  const stack = await startWithArchive({ readahead: { bytesPerSecond: 1_024 } });
  const answer = await stack.toItsEnd(() => ask(stack, SECOND));
  expect(answer.cachedTokens).toBe(0);
  expect(await holds(stack, "opened_early")).toBe(1);
  expect(await holds(stack, "near")).toBe(0);
});

describe("a copy that takes most of a second", () => {
  /** Of the stored turn, with its answer's whole pages: less than a turn is held where nothing is known. */
  const SLOW = { readahead: { bytesPerSecond: 2 ** 16 } };

  it("is waited for as long as nobody knows what computing costs [T8]", async () => {
    const stack = await startWithArchive(SLOW);
    const answer = await stack.toItsEnd(() => ask(stack, SECOND));
    expect(answer.cachedTokens).toBeGreaterThanOrEqual(192);
    expect(await holds(stack, "near")).toBe(1);
  });

  it("is not once turns of the pool have shown that computing is sooner [T8]", async () => {
    const stack = await startWithArchive(SLOW);
    for (let at = 0; at < SHOWN; at++) {
      const ids = Array.from(
        { length: 40 * (1 + at) },
        (_, token) => 100 + ((token * 3 + at) % 200),
      );
      const shown = { ...FIRST, session: `shown-${at}`, prompt: { ids } };
      await stack.toItsEnd(() => ask(stack, shown));
    }
    const answer = await stack.toItsEnd(() => ask(stack, SECOND));
    expect(answer.cachedTokens).toBe(0);
    expect(await holds(stack, "opened_early")).toBe(1);
    expect(await holds(stack, "near")).toBe(0);
    await until(async () => (await metric(stack.moorline, COPIED)) > 0);
    const next = { ...SECOND, prompt: { ids: [...SECOND.prompt.ids, 104] } };
    const later = await stack.toItsEnd(() => ask(stack, next));
    expect(later.cachedTokens).toBeGreaterThanOrEqual(192);
  });
});

it("what another request names is brought before its own turn asks, which is not held then", async () => {
  const stack = await startWithArchive();
  const other = { ...FIRST, session: "other", prompt: { ids: IDS.map((id) => id + 1) } };
  const request = { headers: { "x-moorline-prefetch": FIRST.session } };
  await stack.toItsEnd(() => ask(stack, { ...other, request }));
  await until(async () => (await metric(stack.moorline, COPIED)) > 0);
  const queued = "moorline_kv_readahead_queue";
  await until(async () => (await metric(stack.moorline, queued)) === 0);
  const answer = await stack.toItsEnd(() => ask(stack, SECOND));
  expect(answer.cachedTokens).toBeGreaterThanOrEqual(192);
  expect(await holds(stack, "near")).toBe(0);
});
