/** A prompt that leaves what is stored keeps the whole segments before, and what it leaves stays. */
import { tokens, type Turn } from "../caller.ts";
import { formatList } from "../narration.ts";
import { type Scene, seedSession } from "../scene.ts";

const keptTokens = 113;
const edited: Turn = {
  prompt: [...tokens(1, 150), ...tokens(1_151, 1_190)],
  answer: tokens(1_191, 1_200),
};

export async function showEdit({ narration, caller }: Scene): Promise<void> {
  narration.step("The user edits the conversation: from token 150 on it is another.");
  const why = await caller.explain(seedSession, edited.prompt);
  narration.say(`$ ${caller.lastCurl}`);
  narration.say(
    `explain: ${why.stored_tokens} of ${why.prompt_tokens} tokens; ${why.limit}: "${why.because}".`,
  );
  narration.holds({
    claim: `the first turn's ${why.stored_tokens} tokens are kept: segments are reused whole, or not at all`,
    found: [why.stored_tokens, why.limit],
    expected: [keptTokens, "diverged"],
  });
  narration.holds({
    claim: "the second turn's segment is named as what this prompt cannot use",
    found: why.unused.map(({ token_start, token_length }) => [token_start, token_length]),
    expected: [[113, 100]],
  });

  const { plan } = await caller.turn(seedSession, edited);
  narration.say(formatList("stored_kv_cache", plan.stored_kv_cache));
  narration.say(formatList("fresh_kv_cache", plan.fresh_kv_cache));
  const loaded = new Set(plan.stored_kv_cache.map(({ kv_uri }) => kv_uri));
  narration.holds({
    claim: "it stores in another file: the engine of the aborted turn may still write in the first",
    found: plan.fresh_kv_cache.some(({ kv_uri }) => loaded.has(kv_uri)),
    expected: false,
  });
  const before = await caller.explain(seedSession, tokens(1, 426));
  const after = await caller.explain(seedSession, [...edited.prompt, ...edited.answer, 0]);
  narration.holds({
    claim: `both branches are there: ${before.stored_tokens} tokens as it was, ${after.stored_tokens} as it is now`,
    found: [before.stored_tokens, after.stored_tokens],
    expected: [213, edited.prompt.length + edited.answer.length],
  });
}
