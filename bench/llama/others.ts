/** Turns at one server while the other one stands still in the midst of a save, as on a disk that does not come to an end. */
import { askLlama } from "../../demo/llama/ask.ts";
import type { LlamaStage } from "../../demo/llama/stage.ts";
import { atNextStagedFile } from "../../demo/llama/staged-file.ts";
import { medianOf } from "../figures.ts";
import { textOf } from "./text.ts";

export interface OthersReport {
  readonly ttftMs: number;
  readonly ttftDuringSaveMs: number;
}

export interface OthersPlan {
  readonly chars: number;
  readonly turns: number;
}

const shortChars = 200;
const tokens = 8;
/** Of them some are at each server, almost certainly. */
const sessions = 12;

export async function measureOthers(
  stage: LlamaStage,
  { chars, turns }: OthersPlan,
): Promise<OthersReport> {
  const { url } = stage;
  const saver = "others-saver";
  const first = await askSaved(stage, saver, textOf(100, chars));
  const home = await stage.homeOf(saver);
  const other = await sessionElsewhere(stage, home.name);
  let said = textOf(200, shortChars);
  const ask = async () => {
    const answer = await askSaved(stage, other, said);
    said = `${said}${answer.text} And?`;
    return answer.firstTokenMs;
  };
  await ask();
  const askAll = async () => {
    const times: number[] = [];
    for (let at = 0; at < turns; at++) times.push(await ask());
    return medianOf(times);
  };

  const ttftMs = await askAll();
  let stopped: Promise<string> | undefined;
  const prompt = `${textOf(100, chars)}${first.text} And then?`;
  const onFirstToken = () => {
    stopped = atNextStagedFile(stage.staging, () => home.signal("SIGSTOP"));
  };
  await askLlama({ url, sessionId: saver, prompt, tokens, onFirstToken });
  await stopped;
  try {
    return { ttftMs, ttftDuringSaveMs: await askAll() };
  } finally {
    home.signal("SIGCONT");
  }
}

/** With what is in its slot stored: nothing is under way afterwards. */
async function askSaved(stage: LlamaStage, sessionId: string, prompt: string) {
  const answer = await askLlama({ url: stage.url, sessionId, prompt, tokens });
  await stage.saved(sessionId, answer.cachedTokens + answer.computedTokens);
  return answer;
}

/** The id of a session that another server has. */
async function sessionElsewhere(stage: LlamaStage, name: string): Promise<string> {
  for (let at = 0; at < sessions; at++) {
    const sessionId = `others-${at}`;
    await askSaved(stage, sessionId, textOf(300 + at, shortChars));
    if ((await stage.homeOf(sessionId)).name !== name) return sessionId;
  }
  throw new Error(`all sessions are at ${name}`);
}
