/** Where conversations go whose KV not every engine can load. */
import { expect, it, onTestFinished } from "vitest";
import { slotKey } from "../../src/affinity/placement.ts";
import { buildRing } from "../../src/affinity/ring-build.ts";
import type { EndpointId } from "../../src/endpoints/endpoint.ts";
import { createHash64 } from "../../src/hash.ts";
import { startComputingStack } from "../support/computing-stack.ts";
import { onlyAt, withEngineChoice } from "../support/engine-choice.ts";
import { endpointStates, metric } from "../support/moorline-view.ts";
import { askTurn, freshTurn, type Turn, type TurnAnswer } from "../support/turn-client.ts";
import { until } from "../support/until.ts";

const NODES = { a: "one", b: "one", c: "two" };

/** Sessions that the ring would rather see at c than at b. */
async function sessionsOfC(count: number): Promise<readonly string[]> {
  const members = Object.keys(NODES).map((id) => ({ id: id as EndpointId, weight: 1 }));
  const ring = buildRing(members, { slots: 65_536, hash: await createHash64() });
  const isOfC = (session: string) => {
    const slot = ring.slotOf(slotKey("", session));
    const ranks = members.map((_, rank) => ring.members[ring.memberAt(slot, rank)]?.id);
    return ranks.indexOf("c" as EndpointId) < ranks.indexOf("b" as EndpointId);
  };
  return Array.from({ length: 100 }, (_, n) => `s-${n}`)
    .filter(isOfC)
    .slice(0, count);
}

type IdTurn = Turn & { readonly prompt: { readonly ids: readonly number[] } };

/** Each turn's own part is so long that bringing its KV near pays by far, however slow this machine's disk is just now. */
const OWN_TOKENS = 200;

/** Goes on from a turn: with its answer, and with as much again. */
function after(turn: IdTurn): IdTurn {
  const { ids } = turn.prompt;
  const more = Array.from({ length: OWN_TOKENS }, (_, at) => 100 + ((at * 3 + ids.length) % 200));
  return { ...turn, prompt: { ids: [...ids, ...freshTurn(turn).outputIds, ...more] } };
}

function expectRight(turn: Turn, answer: TurnAnswer): void {
  const { text, digest, promptTokens } = freshTurn(turn);
  expect(answer).toMatchObject({ text, digest, promptTokens });
  expect(answer.kv).toBe(`reused=${answer.cachedTokens}`);
}

it("a conversation whose engine is killed goes on where its KV is in reach, others join it there, and elsewhere it is brought first", async () => {
  const adapt = withEngineChoice;
  const stack = await startComputingStack({
    adapt,
    nodes: NODES,
    engines: ["b", "c"],
    processes: ["a"],
  });
  onTestFinished(() => stack.close());
  const [session = "", other = ""] = await sessionsOfC(2);
  const ask = async (turn: IdTurn, engine?: string) => {
    const request = engine === undefined ? {} : { headers: onlyAt(stack, engine) };
    const answer = await stack.toItsEnd(() => askTurn(stack.url, { ...turn, request }));
    expectRight(turn, answer);
    return [answer.engine, answer.cachedTokens];
  };
  const ids = Array.from({ length: OWN_TOKENS }, (_, at) => 100 + ((at * 7) % 200));
  const first = { session, newTokens: 16, prompt: { ids } };
  expect(await ask(first, "a")).toEqual(["a", 0]);
  await stack.processes.get("a")?.kill();
  await until(async () => (await endpointStates(stack.moorline))["a"] === "down");

  expect(await ask(after(first))).toEqual(["b", 208]);
  expect(await ask({ ...after(first), session: other })).toEqual(["b", 208]);
  expect(await ask(after(after(first)), "c")).toEqual(["c", 416]);
  const kinds = ["moved", "weighed"].map((kind) =>
    metric(stack.moorline, `moorline_decisions_total{pool="default",kind="${kind}"}`),
  );
  expect(await Promise.all(kinds)).toEqual([1, 1]);
});
