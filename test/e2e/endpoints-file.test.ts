/** Endpoints that come and go at run time through the watched endpoints file, Envoy's membership following from it. */
import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { send } from "../support/client.ts";
import { endpointStates, followLog, metric } from "../support/moorline-view.ts";
import { asEndpoints, startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const NAMES = ["a", "b", "c", "d", "e"] as const;
const body = { text: "hello", sampling_params: { max_new_tokens: 1 } };

let stack: Stack;
let file: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "moorline-"));
  file = join(folder, "endpoints.yaml");
  await writeFile(file, "endpoints: []");
  stack = await startStack({
    bootstrap: "override-host",
    engines: NAMES.map((name) => ({ name })),
    settings: () => ({ pools: [{ name: "default", endpointsFile: file }] }),
    folder,
  });
  return async () => stack.close();
});

beforeEach(() => list(["a", "b", "c"]));

/** As an operator's tool does: the new file is renamed over the old one. */
async function replaceFile(text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** Resolves when exactly these engines are in the pool, ready or draining as listed. */
async function list(names: readonly string[], draining: readonly string[] = []): Promise<void> {
  const listed = asEndpoints(stack.engines.filter(({ name }) => names.includes(name)));
  const items = listed.map((item) => ({ ...item, draining: draining.includes(item.id) }));
  await replaceFile(stringify({ endpoints: items }));
  await until(async () => {
    const states = await endpointStates(stack.moorline);
    const isAsListed = (name: string) =>
      states[name] === (draining.includes(name) ? "draining" : "ready");
    return Object.keys(states).length === names.length && names.every(isAsListed);
  });
}

async function askOnce(session: string): Promise<string> {
  const headers = { "x-session-id": session };
  const { status, headers: answered } = await send(stack.url, { path: "/generate", headers, body });
  return status === 200 ? (answered["x-engine"] ?? "no engine") : `status ${status}`;
}

/** The engine of each session. */
async function askAll(sessions: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const pairs = await Promise.all(sessions.map(async (id) => [id, await askOnce(id)] as const));
  return Object.fromEntries(pairs);
}

const idsOf = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

describe("endpoints that come and go", () => {
  it("move exactly the sessions of the lost ones, while traffic goes on without a failure [R6] [R7]", async () => {
    const sessions = idsOf("steady", 100);
    let homes = await askAll(sessions);
    expect(new Set(Object.values(homes))).toEqual(new Set(["a", "b", "c"]));

    const background: string[] = [];
    let isDone = false;
    const traffic = idsOf("traffic", 4).map(async (id) => {
      while (!isDone) background.push(await askOnce(id));
    });
    for (const now of ["abcd", "acd", "acde", "ce", "abce", "abcde"].map((all) => all.split(""))) {
      await list(now);
      const lost = sessions.filter((id) => !now.includes(homes[id] ?? ""));
      for (let round = 0; round < 2; round++) {
        const next = await askAll(sessions);
        const moved = sessions.filter((id) => next[id] !== homes[id]);
        expect(moved).toEqual(round === 0 ? lost : []);
        expect(sessions.filter((id) => !now.includes(next[id] ?? ""))).toEqual([]);
        homes = next;
      }
    }
    isDone = true;
    await Promise.all(traffic);
    expect(background.length).toBeGreaterThan(50);
    expect(background.filter((engine) => engine.startsWith("status"))).toEqual([]);
  });

  it("are reached by new sessions, but not before Envoy knows them, and by no other", async () => {
    const elsewhere = "moorline_served_elsewhere_total";
    const elsewhereBefore = await metric(stack.moorline, elsewhere);
    const before = await askAll(idsOf("before", 30));
    const fresh: Record<string, string> = {};
    let isListed = false;
    const traffic = ["x", "y", "z"].map(async (prefix) => {
      for (let n = 0; !isListed || n < 40; n++)
        fresh[`${prefix}-${n}`] = await askOnce(`${prefix}-${n}`);
    });
    await list(["a", "b", "c", "d"]);
    isListed = true;
    await Promise.all(traffic);

    const late = await askAll(idsOf("late", 40));
    expect(Object.values(late)).toContain("d");
    for (const homes of [before, fresh, late]) {
      expect(await askAll(Object.keys(homes))).toEqual(homes);
    }
    expect(await metric(stack.moorline, elsewhere)).toBe(elsewhereBefore);
  });
});

describe("an endpoint that is draining", () => {
  it("keeps its sessions, takes no new one, and takes new ones again when the mark is gone", async () => {
    const sessions = idsOf("staying", 30);
    const homes = await askAll(sessions);
    expect(Object.values(homes)).toContain("b");

    await list(["a", "b", "c"], ["b"]);
    expect(await askAll(sessions)).toEqual(homes);
    expect(Object.values(await askAll(idsOf("while", 40)))).not.toContain("b");

    await list(["a", "b", "c"]);
    expect(Object.values(await askAll(idsOf("after", 40)))).toContain("b");
  });
});

describe("an endpoints file that is bad", () => {
  it.each([
    ["no YAML", "endpoints: [", 1],
    ["a list with a bad item among good ones", 'endpoints: ["10.0.0.1:80", "nowhere"]', 2],
  ])("by %s leaves the last good list, with one error line and one count", async (_, text, nth) => {
    const sessions = idsOf("kept", 20);
    const homes = await askAll(sessions);
    const log = followLog(stack.moorline);
    const errors = () => log.filter(({ level }) => level === "error");
    const failures = 'moorline_reloads_total{what="endpoints",result="failed"}';
    await replaceFile(text);
    await until(async () => (await metric(stack.moorline, failures)) === nth);
    expect(await askAll(sessions)).toEqual(homes);
    expect(Object.keys(await endpointStates(stack.moorline)).toSorted()).toEqual(["a", "b", "c"]);
    expect(errors()).toHaveLength(1);
    expect(JSON.stringify(errors())).toContain(file);

    await list(["a", "c"]);
    expect(Object.keys(await endpointStates(stack.moorline)).toSorted()).toEqual(["a", "c"]);
  });
});
