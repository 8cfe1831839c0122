/** A fork lists the bytes of its parent, and stores in a file of its own. */
import { tokens, type Turn } from "../caller.ts";
import { diskUse } from "../disk.ts";
import { formatList, formatMegabytes } from "../narration.ts";
import { type Scene, seedSession } from "../scene.ts";
import { tokenBytes } from "../settings.ts";

const fork = "what-if";
const storedTokens = 213;
const turn: Turn = {
  prompt: [...tokens(1, storedTokens), ...tokens(2_214, 2_253)],
  answer: tokens(2_254, 2_263),
};

export async function showFork({ narration, caller, writer, service }: Scene): Promise<void> {
  narration.step("A fork: the same conversation goes on twice.");
  const before = await diskUse(service.files);
  await caller.fork(seedSession, fork);
  narration.say(`$ ${caller.lastCurl}`);
  const after = await diskUse(service.files);
  const [parents, own] = [await caller.segments(seedSession), await caller.segments(fork)];
  narration.holds({
    claim: `the fork lists the ${own.length} segments of its parent, the same ones`,
    found: own.map(({ id }) => id).sort(),
    expected: parents.map(({ id }) => id).sort(),
  });
  narration.holds({
    claim: `no byte was copied: ${formatMegabytes(before)} on disk before, ${formatMegabytes(after)} after`,
    found: after,
    expected: before,
  });

  const { plan } = await caller.turn(fork, turn);
  narration.say(formatList("stored_kv_cache", plan.stored_kv_cache));
  narration.say(formatList("fresh_kv_cache", plan.fresh_kv_cache));
  narration.holds({
    claim: "it loads from its parent's file, what the parent wrote",
    found: [plan.stored_tokens, await writer.loads(plan.stored_kv_cache)],
    expected: [storedTokens, true],
  });
  const parentFiles = new Set(parents.map(({ kv_uri }) => kv_uri));
  narration.holds({
    claim: "it stores in a file of its own",
    found: plan.fresh_kv_cache.map(({ kv_uri }) => parentFiles.has(kv_uri)),
    expected: [false],
  });
  const grown = (await diskUse(service.files)) - after;
  const stored = (turn.prompt.length + turn.answer.length - storedTokens) * tokenBytes;
  narration.holds({
    claim: `the disk has ${formatMegabytes(grown)} more: what is the fork's alone`,
    found: formatMegabytes(grown),
    expected: formatMegabytes(stored),
  });
}
