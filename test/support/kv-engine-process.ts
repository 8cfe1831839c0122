/** The engine of a test, as a process: answers at once, and writes later, as real ones do. Forked by `kv-engine.ts`. */
import { open } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

import { type EngineLayout, engineBytes } from "./kv-engine-bytes.ts";

/** One part of a reservation, as far as the engine has tokens for it. */
export interface EnginePart {
  readonly path: string;
  readonly kvStart: number;
  readonly tokenStart: number;
  readonly tokenLength: number;
}

export interface WriteJob {
  readonly id: number;
  readonly layout: EngineLayout;
  /** From 0 to the end of the last part. */
  readonly tokens: readonly number[];
  readonly parts: readonly EnginePart[];
  /** Between the answer and the first byte. */
  readonly delayMs?: number;
  /** After each extent, which is one plane of one part. */
  readonly stallMs?: number;
  /** Dies when so many eighths of all bytes are written. */
  readonly diesAfterEighths?: number;
}

export interface EngineTold {
  readonly id: number;
  readonly kind: "answered" | "written" | "failed";
}

async function write(job: WriteJob): Promise<void> {
  const { parts, layout, tokens, delayMs = 0, stallMs = 0, diesAfterEighths: eighths } = job;
  const planeBytes = (part: EnginePart) => part.tokenLength * layout.unitBytes;
  const total = parts.reduce((sum, part) => sum + layout.planes * planeBytes(part), 0);
  let left = eighths === undefined ? Infinity : Math.floor((total * eighths) / 8);
  if (delayMs > 0) await pause(delayMs);
  for (const part of parts) {
    const { path, kvStart, tokenStart: start, tokenLength: length } = part;
    const bytes = engineBytes(layout, tokens, { start, length });
    const file = await open(path, "r+"); // an engine makes no file
    for (let at = 0; at < bytes.length; at += planeBytes(part)) {
      const extent = bytes.subarray(at, Math.min(at + planeBytes(part), at + left));
      await file.write(extent, 0, extent.length, kvStart + at);
      left -= extent.length;
      if (left === 0) process.kill(process.pid, "SIGKILL");
      if (stallMs > 0) await pause(stallMs);
    }
    await file.close();
  }
}

process.on("message", (job: WriteJob) => {
  const tell = (told: EngineTold) => process.send?.(told);
  tell({ id: job.id, kind: "answered" });
  write(job).then(
    () => tell({ id: job.id, kind: "written" }),
    () => tell({ id: job.id, kind: "failed" }),
  );
});
