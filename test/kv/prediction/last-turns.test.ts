import { expect, it } from "vitest";
import { LastTurns } from "../../../src/kv/prediction/last-turns.ts";
import { MadeUpEngine } from "./made-up-engine.ts";

it("keeps the last turn of each session, of the sessions that had one most recently", () => {
  const engine = new MadeUpEngine(1);
  const nothing = {
    cachedTokens: 0,
    outputTokens: 0,
    loadMs: 0,
    prefillMs: 0,
    ttftMs: 0,
    totalMs: 0,
  };
  const [one, two, three, four] = engine
    .run(4)
    .map(({ turn, prediction }) => ({ turn, prediction, errors: nothing }));
  if (!one || !two || !three || !four) throw new Error("four turns");
  const turns = new LastTurns(2);
  const session = (tenant: string, id: string) => ({ tenant, id });
  turns.set(session("", "a"), one);
  turns.set(session("t", "a"), two);
  turns.set(session("", "a"), three);
  turns.set(session("", "b"), four);
  expect(turns.lookup(session("", "a"))).toBe(three);
  expect(turns.lookup(session("", "b"))).toBe(four);
  expect(turns.lookup(session("t", "a"))).toBeUndefined();
});
