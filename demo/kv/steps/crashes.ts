/** kill -9 right after a commit was answered, and between a plan and its commit. */
import { tokens, type Turn } from "../caller.ts";
import { formatSeconds } from "../narration.ts";
import type { Scene } from "../scene.ts";

const session = "survivor";
const acknowledged: Turn = { prompt: tokens(5_001, 5_030), answer: tokens(5_031, 5_040) };
const interrupted: Turn = { prompt: tokens(5_001, 5_060), answer: tokens(5_061, 5_070) };
const probe = tokens(5_001, 5_100);

export async function showCrashes(scene: Scene): Promise<void> {
  scene.narration.step("kill -9 of the service, twice.");
  await scene.caller.create(session);
  await killAfterCommit(scene);
  await killBeforeCommit(scene);
}

async function killAfterCommit(scene: Scene): Promise<void> {
  const { narration, caller, writer, service } = scene;
  const { plan } = await caller.turn(session, acknowledged);
  await service.kill();
  narration.say(
    `A turn of ${lengthOf(acknowledged)} tokens is committed, the commit is answered, and the service killed.`,
  );
  await startAgain(scene);
  const { stored_tokens: found } = await caller.explain(session, probe);
  narration.holds({
    claim: `what was acknowledged is there: ${found} tokens, their bytes as they were written`,
    found: [found, await writer.loads(plan.fresh_kv_cache)],
    expected: [lengthOf(acknowledged), true],
  });
}

async function killBeforeCommit(scene: Scene): Promise<void> {
  const { narration, caller, writer, service, signal } = scene;
  const plan = await caller.plan(session, interrupted.prompt, interrupted.answer.length);
  await writer.store(plan.fresh_kv_cache);
  await service.kill();
  narration.say("The next turn is planned and written, and the service killed before its commit.");

  narration.say("$ moorline kv check --bytes");
  const check = await service.check(signal);
  narration.say(check.output);
  narration.holds({
    claim: "the catalog agrees with itself and with the files, and every listed byte with its CRC",
    found: check,
    expected: { status: 0, output: "0 found, 0 mended" },
  });

  await startAgain(scene);
  const { stored_tokens: found } = await caller.explain(session, probe);
  narration.holds({
    claim: `what was not acknowledged is not listed: ${found} tokens as before`,
    found,
    expected: lengthOf(acknowledged),
  });
  const { listed } = await caller.commit(plan, interrupted);
  narration.say("Its turn outlived the service, so the caller commits it now:");
  narration.say(`$ ${caller.lastCurl}`);
  narration.holds({
    claim: `its bytes are proven, and listed from now on: ${listed.length} segment more`,
    found: listed.map(({ token_start, token_length }) => token_start + token_length),
    expected: [lengthOf(interrupted)],
  });
}

async function startAgain({ narration, service }: Scene): Promise<void> {
  const startMs = performance.now();
  await service.start();
  const took = formatSeconds(performance.now() - startMs);
  narration.say(`Started again, ready after ${took}.`);
}

function lengthOf({ prompt, answer }: Turn): number {
  return prompt.length + answer.length;
}
