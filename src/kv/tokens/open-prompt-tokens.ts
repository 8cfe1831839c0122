/** The tokenizer of a pool. */
import { availableParallelism } from "node:os";
import type { Scheduler } from "../../clock.ts";
import { loadTokenizer } from "./loaded-tokenizer.ts";
import { shareSource } from "./token-jobs.ts";
import type { TokenAnswer, TokenJob, TokenWorkerData } from "./token-jobs.ts";
import { readTokenizerFiles } from "./tokenizer-files.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";
import { TokenizerPrompts } from "./tokenizer-prompts.ts";
import type { TokenLimits } from "./tokenizer-prompts.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface PromptTokensOptions {
  readonly files: TokenizerFiles;
  readonly scheduler: Scheduler;
  /** Told of each worker thread that died or hung. Never throws. */
  readonly workerLost: (reason: unknown) => void;
  readonly limits?: Partial<TokenLimits>;
}

const MIB = 1024 * 1024;

const DEFAULTS: TokenLimits = {
  inlineChars: 4096,
  inlineChatValues: 512,
  inlineChatChars: 128 * 1024,
  inlineChatJsonChars: 4096,
  chatValues: 16_384,
  renderedChars: 32 * MIB,
  keptBytes: 64 * MIB,
  answerMs: 5_000,
  workers: Math.max(1, Math.min(2, availableParallelism() - 1)),
  waitingJobs: 256,
  waitingChars: 64 * MIB,
  workerRunMs: 30_000,
  workerHeapMib: 1024,
};

/** Run as it is in development, compiled in the published package. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./token-worker.ts" : "./token-worker.js",
  import.meta.url,
);

/** Throws as `openPromptTokens` does for these files, and opens nothing. */
export async function checkTokenizer(files: TokenizerFiles): Promise<void> {
  loadTokenizer(await readTokenizerFiles(files), { chars: DEFAULTS.renderedChars });
}

/** Throws `config_invalid`, with the file and what is wrong with it. */
export async function openPromptTokens(options: PromptTokensOptions): Promise<TokenizerPrompts> {
  const { files, scheduler, workerLost } = options;
  const limits = { ...DEFAULTS, ...options.limits };
  const render = { chars: limits.renderedChars };
  const source = await readTokenizerFiles(files);
  const loaded = loadTokenizer(source, render);
  const workerData: TokenWorkerData = { source: shareSource(source), limits: render };
  const workers = new WorkerPool<TokenJob, TokenAnswer>({
    script: WORKER,
    workerData,
    scheduler,
    lost: workerLost,
    limits: {
      workers: limits.workers,
      waitingJobs: limits.waitingJobs,
      waitingWeight: limits.waitingChars,
      waitMs: limits.answerMs,
      runMs: limits.workerRunMs,
      heapMib: limits.workerHeapMib,
    },
  });
  return new TokenizerPrompts({ loaded, workers, scheduler, limits });
}
