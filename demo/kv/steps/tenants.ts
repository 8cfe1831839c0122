/** Equal prompts of two tenants never meet, unless one opens a prefix to the other, which trusts it. */
import { tokens, type Turn } from "../caller.ts";
import { formatList } from "../narration.ts";
import { type Scene, seedSession } from "../scene.ts";
import { reader, stranger } from "../settings.ts";

const prefix = "paper";
const prefixTokens = 113;
const session = "about-the-paper";
/** The text that is stored, and a question of its own about it. */
const turn: Turn = {
  prompt: [...tokens(1, prefixTokens), ...tokens(3_114, 3_130)],
  answer: tokens(3_131, 3_140),
};

export async function showTenants(scene: Scene): Promise<void> {
  const { narration, caller, callerOf, writer } = scene;
  narration.step(`Tenants: "${reader}" and "${stranger}" send text that is stored.`);
  for (const tenant of [reader, stranger]) await callerOf(tenant).create(session);
  const { stored_tokens: ownTokens } = await caller.explain(seedSession, turn.prompt);
  narration.holds({
    claim: `the default tenant would find ${ownTokens} tokens of it; they find none`,
    found: [ownTokens, ...(await foundBy([reader, stranger], scene))],
    expected: [prefixTokens, 0, 0],
  });

  const body = { name: prefix, session: seedSession, tokens: prefixTokens, tenants: [reader] };
  await caller.openPrefix(body);
  narration.say(`The default tenant opens its first ${prefixTokens} tokens to "${reader}":`);
  narration.say(`$ ${caller.lastCurl}`);
  const found = await foundBy([reader, stranger], scene);
  narration.holds({
    claim: `"${reader}" finds ${found[0]} tokens, "${stranger}" ${found[1]}`,
    found,
    expected: [prefixTokens, 0],
  });

  const { plan, commit } = await callerOf(reader).turn(session, turn);
  narration.say(formatList("stored_kv_cache", plan.stored_kv_cache));
  narration.say(formatList("fresh_kv_cache", plan.fresh_kv_cache));
  narration.holds({
    claim: `"${reader}" loads what the default tenant wrote, and stores what follows for itself`,
    found: [await writer.loads(plan.stored_kv_cache), commit.listed.length],
    expected: [true, 1],
  });
  const [own] = commit.listed;
  const status = own === undefined ? undefined : await caller.statusOf(own.segment);
  narration.holds({
    claim: `asked for by the default tenant, that segment is answered ${status}, as if there were none`,
    found: status,
    expected: 404,
  });
}

async function foundBy(tenants: readonly string[], { callerOf }: Scene): Promise<number[]> {
  const found: number[] = [];
  for (const tenant of tenants) {
    const { stored_tokens } = await callerOf(tenant).explain(session, turn.prompt);
    found.push(stored_tokens);
  }
  return found;
}
