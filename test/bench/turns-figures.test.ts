import { expect, it } from "vitest";
import type { AnsweredTurn, Replay } from "../../bench/turns/replay.ts";
import { summarise } from "../../bench/turns/report.ts";
import { readScript } from "../../bench/turns/script.ts";

function answered(firstTokenMs: number, cachedTokens: number): AnsweredTurn {
  const said = { text: "", digest: "", engine: "a" };
  return { prompt: "", answer: { ...said, promptTokens: 100, cachedTokens, firstTokenMs } };
}

const cut: AnsweredTurn = { prompt: "", answer: undefined };

function replayed(turns: readonly AnsweredTurn[]): Replay {
  return { turns, cpuUsPerTurn: undefined, predictionP90Error: undefined };
}

const replays = {
  round_robin: replayed([answered(300, 0), answered(200, 50), answered(100, 10)]),
  affinity: replayed([answered(10, 90)]),
  affinity_kv: { ...replayed([answered(9, 95), cut]), cpuUsPerTurn: 812.6 },
  stateless_kv: { ...replayed([answered(8, 80)]), predictionP90Error: 0.5 },
};

it("has the median wait and the share of tokens found of each setting, without answers that were cut", () => {
  const lag = { moorlineP99Ms: 2.34567, plainP99Ms: 0.123456 };
  const result = summarise({ replays, addedP50Ms: 1.23456, lag, wrongAnswers: 1 });

  expect(result).toEqual({
    suite: "turns",
    ttft_p50_ms: { round_robin: 200, affinity: 10, affinity_kv: 9, stateless_kv: 8 },
    hit_tokens: { round_robin: 0.2, affinity: 0.9, affinity_kv: 0.95, stateless_kv: 0.8 },
    prediction_p90_error: null,
    added_p50_ms_100kb: 1.235,
    sse_lag_p99_ms: 2.346,
    sse_lag_plain_p99_ms: 0.1235,
    cpu_us_per_turn: 813,
    wrong_answers: 1,
  });
});

it("a turn of the script says no word that one before it in its conversation has said", async () => {
  const script = await readScript({ conversations: 12, turns: 4 });

  const conversations = Map.groupBy(script, ({ conversation }) => conversation);
  expect(Array.from(conversations.values(), ({ length }) => length)).toEqual(Array(12).fill(4));
  for (const turns of conversations.values()) {
    const words = turns.flatMap(({ says }) => says.trim().split(" "));
    expect(new Set(words).size).toBe(words.length);
  }
});
