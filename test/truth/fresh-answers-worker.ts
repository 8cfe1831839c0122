/** A thread of `FreshAnswers`. */
import { parentPort } from "node:worker_threads";
import { Model } from "../../demo/engine/model/model.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import { freshAnswer } from "../../demo/engine/oracle.ts";
import { EngineTokenizer } from "../../demo/engine/tokenizer/engine-tokenizer.ts";
import type { Question } from "./fresh-answers.ts";

const oracle = { model: new Model(SHAPES.tiny), tokenizer: new EngineTokenizer() };

parentPort?.on("message", ({ id, question }: { id: number; question: Question }) => {
  const answer = freshAnswer(oracle, question.prompt, question.sampling);
  parentPort?.postMessage({ id, answer });
});
