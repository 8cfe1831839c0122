/** The script of a worker thread: tells the SHA-256 of some files, one after the other, and ends. Reading a model's weights takes a minute. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const CHUNK_BYTES = 4 * 1024 * 1024;

const hash = createHash("sha256");
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
for (const path of workerData as readonly string[]) {
  const file = openSync(path, "r");
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      hash.update(chunk.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
}
parentPort?.postMessage(hash.digest("hex"));
