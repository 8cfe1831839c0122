/** What a turn loads where its engine holds nothing: after a flush, on another engine, and after the one that stored it was killed. */
import { describe, expect, it, onTestFinished } from "vitest";
import { startComputingStack, type ComputingStackOptions } from "../support/computing-stack.ts";
import { onlyAt, withEngineChoice } from "../support/engine-choice.ts";
import { askTurn, freshTurn, type Turn, type TurnAnswer } from "../support/turn-client.ts";

async function start(options: ComputingStackOptions) {
  const stack = await startComputingStack({ adapt: withEngineChoice, ...options });
  onTestFinished(() => stack.close());
  return stack;
}

/** `first` makes it another from the first token on. */
function promptOf(tokens: number, first = 0): readonly number[] {
  return Array.from({ length: tokens }, (_, at) => first + 100 + ((at * 7) % 200));
}

/** Tokens that begin a new answer. */
const MORE = [101, 102, 103, 104, 105, 106, 107];

function next({ prompt, newTokens, ...turn }: Turn & { prompt: { ids: readonly number[] } }) {
  const { outputIds } = freshTurn({ prompt, newTokens });
  return { ...turn, newTokens, prompt: { ids: [...prompt.ids, ...outputIds, ...MORE] } };
}

function expectRight(turn: Turn, answer: TurnAnswer): void {
  const { text, digest, promptTokens } = freshTurn(turn);
  expect(answer).toMatchObject({ text, digest, promptTokens });
  expect(answer.kv).toBe(`reused=${answer.cachedTokens}`);
}

describe("SGLang's own scenario of stored caches", () => {
  it.each(["sglang-explicit", "sglang-session"])(
    "comes out as there with %s: pages of 64, 768 tokens and 150 new ones, a flush, and more than 800 are cached [T2]",
    async (dialect) => {
      const limits = { pageSize: 64, loadThreshold: 256, cacheTokens: 65_536 };
      const stack = await start({ engines: ["a"], limits, turns: { dialect } });
      const first = { session: "s", newTokens: 150, prompt: { ids: promptOf(768) } };
      expectRight(first, await stack.toItsEnd(() => askTurn(stack.url, first)));
      await stack.engines.get("a")?.flush();

      const second = next(first);
      const answer = await askTurn(stack.url, second);
      expectRight(second, answer);
      expect(answer.cachedTokens).toBeGreaterThan(800);
    },
  );
});

describe("the next turn of a conversation", () => {
  it("loads on another engine without a cache, and again when the first was killed, and answers sooner [T4]", async () => {
    const stack = await start({
      engines: [],
      processes: ["a", "b"],
      processSettings: { "prefill-us": 1_500 },
    });
    const at = async (turn: Turn, engine: string) => {
      const request = { headers: onlyAt(stack, engine) };
      return stack.toItsEnd(() => askTurn(stack.url, { ...turn, request }));
    };
    const before = { session: "s", newTokens: 20, isStream: true, prompt: { ids: promptOf(500) } };
    const after = { ...before, session: "t", prompt: { ids: promptOf(500, 1) } };
    const computed = [await at(before, "a"), await at(after, "a")];
    const loaded = await at(next(before), "b");
    await stack.processes.get("a")?.kill();
    const loadedAfter = await at(next(after), "b");

    const turns = [before, after, next(before), next(after)];
    const answers = [...computed, loaded, loadedAfter];
    for (const [index, answer] of answers.entries()) expectRight(turns[index] ?? before, answer);
    expect(answers.map(({ engine }) => engine)).toEqual(["a", "a", "b", "b"]);
    expect(answers.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 0, 512, 512]);
    const ms = answers.map(({ response }) => Math.round(response.chunks[0]?.atMs ?? 0));
    console.log(
      `ms to the first token: computed ${ms.slice(0, 2).join()}, loaded ${ms.slice(2).join()}`,
    );
    expect(Math.max(...ms.slice(2))).toBeLessThan(Math.min(...ms.slice(0, 2)));
  });
});
