/** A save that does not come to an end: the server that saves stands still, as on a disk that hangs, and nobody else does. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LARGER_MODEL, LARGER_TOKEN_BYTES, randomModelFile } from "../../demo/llama/model.ts";
import { askLlama } from "../../demo/llama/ask.ts";
import type { LlamaServer } from "../../demo/llama/server.ts";
import type { LlamaStage } from "../../demo/llama/stage.ts";
import { atNextStagedFile } from "../../demo/llama/staged-file.ts";
import {
  askSavedTurn,
  askTurn,
  DOCUMENT,
  next,
  promptTokens,
  startTinyStage,
} from "../support/llama.ts";

let stage: LlamaStage;

const LONG = DOCUMENT.slice(0, 600);

beforeEach(async () => {
  const model = await randomModelFile(LARGER_MODEL); // so that a save takes long enough to be met
  stage = await startTinyStage({
    model,
    settings: { health: { intervalMs: 100, timeoutMs: 60_000 } },
  });
});
afterEach(() => stage.close());

/** A session that another server has, with a turn behind it. */
async function sessionElsewhere({ name }: LlamaServer) {
  for (let at = 0; at < 20; at++) {
    const id = `other-${at}`;
    const turn = await askSavedTurn(stage, id, `${at} ${DOCUMENT.slice(0, 200)}`);
    if ((await stage.homeOf(id)).name !== name) return { id, turn };
  }
  throw new Error(`all sessions are at ${name}`);
}

it("delays no turn at another server, nor Moorline itself [S4]", async () => {
  await askSavedTurn(stage, "talk", LONG);
  const home = await stage.homeOf("talk");
  const other = await sessionElsewhere(home);
  let stopped: Promise<string> | undefined;
  const prompt = `${LONG} And?`;
  // What is restored for it is restored by then: what comes now is its save.
  const onFirstToken = () => {
    stopped = atNextStagedFile(stage.staging, () => home.signal("SIGSTOP"));
  };
  const answer = await askLlama({ url: stage.url, sessionId: "talk", prompt, onFirstToken });
  const { size } = await stat(join(stage.staging, (await stopped) ?? ""));
  expect(size).toBeLessThan(promptTokens(answer) * LARGER_TOKEN_BYTES);

  const second = await askTurn(stage, other.id, next(other.turn));
  expect(second.answer.kvStatus).toContain("from=resident");
  expect((await fetch(`${stage.moorline.adminUrl}/readyz`)).status).toBe(200);
  // It hangs all the while: its session's next turn is not answered before it goes on.
  let isAnswered = false;
  const waiting = askTurn(stage, "talk", next({ prompt, answer })).then((turn) => {
    isAnswered = true;
    return turn;
  });
  // Behind a save of its own.
  const third = await askTurn(stage, other.id, next(second));
  expect(third.answer.kvStatus).toContain("from=resident");
  expect(isAnswered).toBe(false);
  home.signal("SIGCONT");
  expect((await waiting).answer.text).toHaveLength(24);
});
