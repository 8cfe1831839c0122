/** A thread of `FreshAnswers`. */
import { parentPort, workerData } from "node:worker_threads";
import type { Question } from "./fresh-answers.ts";
import { Model } from "./model/model.ts";
import { SHAPES } from "./model/shape.ts";
import type { ShapeName } from "./model/shape.ts";
import { freshAnswer } from "./oracle.ts";
import { EngineTokenizer } from "./tokenizer/engine-tokenizer.ts";

const model = new Model(SHAPES[workerData as ShapeName]);
const oracle = { model, tokenizer: new EngineTokenizer() };

parentPort?.on("message", ({ id, question }: { id: number; question: Question }) => {
  const answer = freshAnswer(oracle, question.prompt, question.sampling);
  parentPort?.postMessage({ id, answer });
});
