/** A session that nobody uses goes: its references at the end of its TTL, its file after the quarantine. */
import { existsSync } from "node:fs";
import { type Caller, tokens, type Turn } from "../caller.ts";
import { diskUse } from "../disk.ts";
import { formatMegabytes, formatSeconds } from "../narration.ts";
import { type Scene, untilHolds } from "../scene.ts";
import { briefClass, quarantineMs } from "../settings.ts";

const session = "passing-by";
const turn: Turn = { prompt: tokens(7_001, 7_090), answer: tokens(7_091, 7_100) };
/** More than the keeper needs to see what is due. */
const graceMs = 5_000;

export async function showExpiry(scene: Scene): Promise<void> {
  const { narration, caller, writer, service, signal } = scene;
  narration.step(
    `An expiry: class "${briefClass.name}" keeps what nobody uses for ${formatSeconds(briefClass.ttlMs)}.`,
  );
  const before = { disk: await diskUse(service.files), charged: await chargedTo(caller) };
  await caller.create(session, briefClass.name);
  narration.say(`$ ${caller.lastCurl}`);
  const startMs = performance.now();
  const { plan, commit } = await caller.turn(session, turn);
  const grown = (await diskUse(service.files)) - before.disk;
  narration.say(
    `A turn is stored: ${formatMegabytes(grown)} more on disk. Then nobody comes back.`,
  );

  const dropped = await untilHolds(async () => (await chargedTo(caller)) === before.charged, {
    deadlineMs: briefClass.ttlMs + graceMs,
    signal,
  });
  const paths = plan.fresh_kv_cache.map(({ kv_uri }) => writer.pathOf(kv_uri));
  const droppedMs = performance.now() - startMs;
  const statuses = await Promise.all(
    commit.listed.map(async ({ segment }) => caller.statusOf(segment)),
  );
  narration.holds({
    claim: `after ${formatSeconds(droppedMs)} its segment is gone, and nobody is charged for it`,
    found: [dropped !== undefined && droppedMs >= briefClass.ttlMs, statuses],
    expected: [true, [404]],
  });
  narration.holds({
    claim: "its file is still there: an engine that was given it may still write",
    found: paths.map((path) => existsSync(path)),
    expected: paths.map(() => true),
  });

  narration.say(
    `Waiting for the quarantine of ${formatSeconds(quarantineMs)}; by default it is 15 minutes.`,
  );
  const deadlineMs = quarantineMs + graceMs;
  const gone = await untilHolds(async () => !paths.some((path) => existsSync(path)), {
    deadlineMs,
    signal,
  });
  const goneMs = performance.now() - startMs;
  narration.holds({
    claim: `after ${formatSeconds(goneMs)} its file is gone`,
    found: gone !== undefined && goneMs >= quarantineMs,
    expected: true,
  });
  const after = await diskUse(service.files);
  narration.holds({
    claim: `the disk is as it was: ${formatMegabytes(after)}`,
    found: after,
    expected: before.disk,
  });
}

async function chargedTo(caller: Caller): Promise<number> {
  return (await caller.usage()).bytes;
}
