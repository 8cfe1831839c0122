/**
 * A metronome for open-loop load. Timers of the event loop tick in whole milliseconds, which is more than the latencies to be
 * measured; spinning would take one of the cores that the measured processes need. A thread that sleeps in `Atomics.wait`
 * is awake within some 50 us of its time, and its message wakes the event loop.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

interface Beat {
  readonly intervalMs: number;
  readonly count: number;
}

/** Calls `onBeat` `count` times, `intervalMs` apart, and late rather than never. Resolves after the last one. */
export async function pace(beat: Beat, onBeat: () => void): Promise<void> {
  const worker = new Worker(import.meta.filename, { workerData: beat });
  let remaining = beat.count;
  await new Promise<void>((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", () => {
      onBeat();
      remaining--;
      if (remaining === 0) resolve();
    });
  });
  await worker.terminate();
}

function keepTime({ intervalMs, count }: Beat): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const start = performance.now();
  for (let beat = 0; beat < count; beat++) {
    const sleepMs = start + beat * intervalMs - performance.now();
    if (sleepMs > 0) Atomics.wait(never, 0, 0, sleepMs);
    parentPort?.postMessage(undefined);
  }
}

if (!isMainThread) keepTime(workerData as Beat);
