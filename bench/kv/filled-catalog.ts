/**
 * A catalog of the size that the figures are for. It is filled by the catalog's own rules, with hundreds of sessions in one
 * transaction and digests that stand for conversations nobody asks about. Session number n is the n-th to expire, `EXPIRY_STEP_MS` after the one before it.
 */
import { mkdir } from "node:fs/promises";
import { layered } from "../../src/kv/catalog/layer.ts";
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import { report } from "../../src/kv/catalog/rules/report.ts";
import { reserve } from "../../src/kv/catalog/rules/reserve.ts";
import { create } from "../../src/kv/catalog/rules/sessions.ts";
import { settle } from "../../src/kv/catalog/rules/settle.ts";
import type { CatalogTransaction } from "../../src/kv/catalog/transaction.ts";
import { createRequest, reportRequest, settleRequests, turnRequest } from "./filled-turns.ts";
import { partEnds, promptLength, randomOf } from "./prompts.ts";
import { CONVERSATION, RETENTION, START_MS } from "./scale.ts";

const SESSIONS_PER_TRANSACTION = 200;
const PROGRESS_SESSIONS = 10_000;
export const EXPIRY_STEP_MS = 1;

/** Makes the folder. */
export async function fillCatalog(
  path: string,
  sessions: number,
  progress: (text: string) => void,
): Promise<void> {
  await mkdir(path, { recursive: true });
  const store = new LmdbStore({ path, durability: "process" });
  const catalog = await openCatalog(store);
  const random = randomOf(1);
  for (let first = 0; first < sessions; first += SESSIONS_PER_TRANSACTION) {
    const until = Math.min(sessions, first + SESSIONS_PER_TRANSACTION);
    await store.write((tx) => {
      for (let number = first; number < until; number += 1) {
        layered(tx, (rule) => fillSession(rule, number, promptLength(random)));
      }
    });
    if (until % PROGRESS_SESSIONS === 0) progress(`${until} sessions`);
  }
  await catalog.close();
}

function fillSession(tx: CatalogTransaction, number: number, length: number): void {
  const filled = { number, nowMs: START_MS - RETENTION.ttlMs + number * EXPIRY_STEP_MS };
  create(tx, createRequest(filled));
  const ends = partEnds(length, CONVERSATION);
  for (let turn = 0; turn < CONVERSATION.turns; turn += 1) {
    const outcome = reserve(tx, turnRequest(filled, turn, ends));
    if (outcome.kind !== "reserved") throw new Error(`not filled: ${JSON.stringify(outcome)}`);
    report(tx, reportRequest(filled, outcome.reservation));
    for (const request of settleRequests(filled, outcome.reservation)) settle(tx, request);
  }
}
