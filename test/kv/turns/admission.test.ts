import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { tokenChain } from "../../../src/kv/chain/chain-format.ts";
import { Admission } from "../../../src/kv/turns/admission.ts";
import { PromptIndex } from "../../../src/kv/turns/prompt-index.ts";
import { SequenceChain } from "../../../src/kv/turns/token-sequence.ts";

const digests = createDigests();
const STEP = 64;
const SECOND_HIT = { admission: "second_hit" } as const;

/** Tokens of one value each, after a shared beginning of zeros. */
function promptOf(tokens: number, value: number, { shared = 0, tenant = 1 } = {}): PromptIndex {
  const ids = Array.from({ length: tokens }, (_, at) => (at < shared ? 0 : value));
  const start = { kind: "engine", context: {}, grid: [] } as const;
  const chain = new SequenceChain(start, tokenChain(1), digests);
  chain.append(ids);
  const own = Uint8Array.of(tenant);
  return new PromptIndex(chain, { own, shared: [], geometry: new Uint8Array(33) }, digests);
}

function admissionOf(minTokens: number): Admission {
  return new Admission({ minTokens, seenLimit: 100 });
}

function candidate(index: PromptIndex, storedTokens = 0) {
  return { index, storedTokens, retention: SECOND_HIT };
}

it("stores no prompt below the least length, and any above where the class says so", () => {
  const admission = admissionOf(100);
  const always = { storedTokens: 0, retention: { admission: "always" } as const };
  expect(admission.refusal({ index: promptOf(99, 1), ...always })).toBe("too_short");
  expect(admission.refusal({ index: promptOf(100, 1), ...always })).toBeUndefined();
});

it("stores a prompt that goes on from one that was seen before, whole or grown", () => {
  const admission = admissionOf(0);
  const first = candidate(promptOf(5 * STEP, 1));
  expect(admission.refusal(first)).toBe("not_seen_twice");
  admission.remember(first);
  expect(admission.refusal(first)).toBeUndefined();
  expect(admission.refusal(candidate(promptOf(8 * STEP - 1, 1)))).toBeUndefined();
  expect(admission.refusal(candidate(promptOf(8 * STEP, 1)))).toBe("not_seen_twice");
});

it("takes a beginning that many have in common for no hit of what follows", () => {
  const admission = admissionOf(0);
  const shared = 2 * STEP;
  admission.remember(candidate(promptOf(9 * STEP, 1, { shared })));
  expect(admission.refusal(candidate(promptOf(9 * STEP, 2, { shared })))).toBe("not_seen_twice");
  expect(admission.refusal(candidate(promptOf(9 * STEP, 1, { shared })))).toBeUndefined();
});

it("stores what goes on from half of it that is stored, seen or not", () => {
  const admission = admissionOf(0);
  const index = promptOf(5 * STEP, 1);
  expect(admission.refusal(candidate(index, 4 * STEP - 1))).toBe("not_seen_twice");
  expect(admission.refusal(candidate(index, 4 * STEP))).toBeUndefined();
});

it("stores nothing that is shorter than a step of the grid", () => {
  const admission = admissionOf(0);
  const short = candidate(promptOf(STEP - 1, 1));
  admission.remember(short);
  expect(admission.refusal(short)).toBe("not_seen_twice");
});

it("counts the prompts of each tenant for itself", () => {
  const admission = admissionOf(0);
  admission.remember(candidate(promptOf(5 * STEP, 1)));
  const foreign = candidate(promptOf(5 * STEP, 1, { tenant: 2 }));
  expect(admission.refusal(foreign)).toBe("not_seen_twice");
});

it("forgets the prompts that were met longest ago, once there are too many", () => {
  const admission = new Admission({ minTokens: 0, seenLimit: 2 });
  const [first, second, third] = [1, 2, 3].map((value) => candidate(promptOf(STEP, value)));
  if (first === undefined || second === undefined || third === undefined) throw new Error("none");
  for (const each of [first, second]) admission.remember(each);
  expect(admission.refusal(first)).toBeUndefined();
  admission.remember(third);
  expect(admission.refusal(first)).toBe("not_seen_twice");
  expect(admission.refusal(second)).toBeUndefined();
});
