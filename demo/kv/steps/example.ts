/** The example of the design that the service began with: two turns are stored, and the third is planned. */
import { tokens, type Turn } from "../caller.ts";
import { formatList, type PlannedSegment } from "../narration.ts";
import { type Scene, seedSession } from "../scene.ts";

const turns: readonly Turn[] = [
  { prompt: tokens(1, 103), answer: tokens(104, 113) },
  { prompt: tokens(1, 203), answer: tokens(204, 213) },
];
/** 213 of them are new; with 1,000 of answer at most, that is the reservation of 1,213. */
const thirdPrompt = tokens(1, 426);
const maxNewTokens = 1_000;

const kv_uri = `file:///${seedSession}`;
/** Copied from the design, and computed nowhere. */
const designed: Readonly<Record<"stored" | "fresh", readonly PlannedSegment[]>> = {
  stored: [
    { token_start: 0, token_length: 113, kv_uri, kv_start: 0 },
    { token_start: 113, token_length: 100, kv_uri, kv_start: 16_662_528 },
  ],
  fresh: [{ token_start: 213, token_length: 1_213, kv_uri, kv_start: 31_408_128 }],
};

export async function showExample(scene: Scene): Promise<void> {
  const { narration, caller, writer } = scene;
  narration.step("The design's example: two turns are stored, and a third is planned.");
  await caller.create(seedSession);
  narration.say(`$ ${caller.lastCurl}`);
  for (const turn of turns) await store(turn, scene);

  const plan = await caller.plan(seedSession, thirdPrompt, maxNewTokens);
  narration.say("The third turn: what the engine is given to load, and where it may store.");
  narration.say(`$ ${caller.lastCurl}`);
  narration.say(formatList("stored_kv_cache", plan.stored_kv_cache));
  narration.say(formatList("fresh_kv_cache", plan.fresh_kv_cache));
  narration.holds({
    claim: "both lists are those of the design, number by number",
    found: { stored: plan.stored_kv_cache, fresh: plan.fresh_kv_cache },
    expected: designed,
  });
  narration.holds({
    claim: "the bytes that are listed are those that were written",
    found: await writer.loads(plan.stored_kv_cache),
    expected: true,
  });
  await caller.abort(plan);
  narration.say("The client hangs up, and the third turn is aborted: nothing of it is listed.");
}

async function store(turn: Turn, { narration, caller }: Scene): Promise<void> {
  const { plan, commit } = await caller.turn(seedSession, turn);
  const [prompt, answer] = [turn.prompt.length, turn.answer.length];
  narration.say(
    `A prompt of ${prompt} tokens, an answer of ${answer}: ${plan.stored_tokens} loaded; the rest planned, written, committed.`,
  );
  const end = prompt + answer;
  narration.holds({
    claim: `tokens [${plan.stored_tokens}, ${end}) are proven, synced, and listed from now on`,
    found: commit.listed.map(({ token_start, token_length }) => [token_start, token_length]),
    expected: [[plan.stored_tokens, end - plan.stored_tokens]],
  });
}
