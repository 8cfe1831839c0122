import { Worker } from "node:worker_threads";

/**
 * SHA-256 of all bytes of some files, one after the other, in small hexadecimal digits. Undefined: one of them cannot be read, or the signal was given. Never rejects, and
 * settles when nothing reads any more.
 */
export type HashFiles = (
  paths: readonly string[],
  signal: AbortSignal,
) => Promise<string | undefined>;

const SCRIPT = new URL(
  import.meta.url.endsWith(".ts") ? "./model-hash-worker.ts" : "./model-hash-worker.js",
  import.meta.url,
);

/** In a thread of its own, which does not keep the process alive. */
export const hashInThread: HashFiles = (paths, signal) => {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let digest: string | undefined;
  const worker = new Worker(SCRIPT, { workerData: paths });
  worker.unref();
  const end = () => void worker.terminate();
  signal.addEventListener("abort", end, { once: true });
  worker.on("message", (told: string) => (digest = told));
  worker.on("error", () => {}); // a file that cannot be read
  worker.on("exit", () => {
    signal.removeEventListener("abort", end);
    resolve(digest);
  });
  if (signal.aborted) end();
  return promise;
};
