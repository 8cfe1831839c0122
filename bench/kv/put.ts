/**
 * What taking bytes durably costs: a body put through the bytes API with its CRC and an fsync, beside what the disk does for `dd`,
 * and beside the same server that computes the CRC and writes nothing. Neither can be beaten, so the slower one is the measure.
 */
import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { BLOCK_BYTES, bodyCrc } from "./body.ts";
import { sendBody, startDiscardServer } from "./child-run.ts";
import { abort, putHead, reserve, type Service, TOKEN_BYTES } from "./service.ts";

const run = promisify(execFile);

export interface PutPlan {
  readonly rounds: number;
  readonly bodyBytes: number;
}

/** Bytes per second. */
export interface PutRound {
  readonly ours: number;
  readonly dd: number;
  readonly discarding: number;
}

export async function measurePut(
  service: Service,
  { rounds, bodyBytes }: PutPlan,
): Promise<PutRound[]> {
  const root = join(service.folder, "discarded");
  await mkdir(root);
  const discard = await startDiscardServer(root, bodyBytes);
  const crc = bodyCrc(bodyBytes);
  const body = { bytes: bodyBytes, crc };
  const ways = {
    ours: async (round: number) => {
      const reserved = await reserve(service, `put-${round}`, bodyBytes / TOKEN_BYTES);
      const { port } = service;
      const seconds = await sendBody({ port, head: putHead(reserved, body), bodyBytes });
      await abort(service, reserved);
      return seconds;
    },
    dd: () => secondsOfDd(join(service.folder, "dd"), bodyBytes),
    discarding: () => {
      const head = putHead({ segment: "turn.0" }, body);
      return sendBody({ port: discard.port, head, bodyBytes });
    },
  };
  try {
    const results: PutRound[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const figures = { ours: 0, dd: 0, discarding: 0 };
      const names = ["ours", "dd", "discarding"] as const;
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        figures[name] = bodyBytes / (await ways[name](round));
      }
      results.push(figures);
    }
    return results;
  } finally {
    await discard.child.close();
  }
}

/** A new file of zeros with a sync at its end; the time is its own. */
async function secondsOfDd(path: string, bytes: number): Promise<number> {
  const size = [`bs=${BLOCK_BYTES}`, `count=${bytes / BLOCK_BYTES}`];
  const env = { ...process.env, LC_ALL: "C" };
  const output = await run("dd", ["if=/dev/zero", `of=${path}`, ...size, "conv=fdatasync"], {
    env,
  });
  await rm(path);
  const seconds = /, ([\d.e-]+) s,/.exec(output.stderr)?.[1];
  if (seconds === undefined) throw new Error(`dd says no time: ${output.stderr}`);
  return Number(seconds);
}
