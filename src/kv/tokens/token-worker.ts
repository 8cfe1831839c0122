/** The script of a worker thread: loads the tokenizer, then does one job after the other. Ids are handed over, not copied. */
import { parentPort, workerData } from "node:worker_threads";
import { AppError } from "../../errors.ts";
import { loadTokenizer } from "./loaded-tokenizer.ts";
import { doTokenJob, readShared } from "./token-jobs.ts";
import type { TokenAnswer, TokenJob, TokenWorkerData } from "./token-jobs.ts";
import type { WorkerReply } from "./worker-pool.ts";

const { source, limits } = workerData as TokenWorkerData;
const loaded = loadTokenizer(readShared(source), limits);

parentPort?.on("message", (job: TokenJob) => {
  const reply = replyTo(job);
  const ids = "answer" in reply && reply.answer instanceof Uint32Array ? [reply.answer] : [];
  const handedOver = ids.map(({ buffer }) => buffer as ArrayBuffer);
  parentPort?.postMessage(reply, handedOver);
});

function replyTo(job: TokenJob): WorkerReply<TokenAnswer> {
  try {
    return { answer: doTokenJob(loaded, job) };
  } catch (reason) {
    return { error: AppError.from(reason).message };
  }
}
