import { expect, it } from "vitest";

import { Predictor } from "../../../src/kv/prediction/predictor.ts";
import { TurnWatch } from "../../../src/kv/path/turn-watch.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const SHAPE = { promptTokens: 100, storedTokens: 0, maxNewTokens: undefined };
const SESSION = { tenant: "", id: "s" };
const TOKEN = `data: {"content":"a"}\n\n`;
const PROGRESS = `data: {"content":"","prompt_progress":{"total":9,"processed":4}}\n\n`;

/** What is measured of an answer whose chunks come a second apart. */
async function measured(chunks: readonly string[], form: "events" | "json" = "events") {
  const clock = new FakeClock();
  const told: (number | undefined)[] = [];
  const predictor = new Predictor();
  const observer = {
    measured: ({ turn }: { turn: { ttftMs: number | undefined } }) => void told.push(turn.ttftMs),
  };
  const watch = new TurnWatch(
    { session: SESSION, shape: SHAPE, isGuessed: true },
    { pool: "p", predictor, clock, observer },
  );
  watch.opened(form);
  for (const chunk of chunks) {
    await clock.advance(1_000);
    watch.chunk(Buffer.from(chunk));
  }
  const counts = { promptTokens: 100, cachedTokens: 0, completionTokens: 2 };
  watch.ended({ ...counts, weightVersion: undefined, outputIds: undefined, segments: [] });
  return told;
}

it.each([
  ["the first event", [TOKEN, TOKEN], 1_000],
  ["the first event behind an empty chunk", ["", TOKEN], 2_000],
  ["the first event behind what keeps a stream open", [":\n\n", ": ping\n\n", TOKEN], 3_000],
  ["the first event behind what tells of the prompt", [PROGRESS, PROGRESS, TOKEN], 3_000],
])("the time to the first token is until %s", async (_claim, chunks, ttftMs) => {
  expect(await measured(chunks)).toEqual([ttftMs]);
});

it("an answer that is no stream has none", async () => {
  expect(await measured([TOKEN], "json")).toEqual([undefined]);
});
