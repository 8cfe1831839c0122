/**
 * Every way in which a turn may be asked for and answered, through a real Envoy and without any engine's own cache: the second turn
 * of each conversation is served by another engine than the first, loads what that one stored, and is answered as if nothing was.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { send } from "../support/client.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";
import { onlyAt, withEngineChoice } from "../support/engine-choice.ts";
import {
  askTurn,
  bodyOf,
  freshTurn,
  idsOf,
  pathOf,
  sharedTokens,
  type Turn,
  type TurnAnswer,
  type TurnPrompt,
} from "../support/turn-client.ts";

const PAGE = 16;
const NEW_TOKENS = 24;
const KINDS = ["text", "ids", "messages"] as const;
type Kind = (typeof KINDS)[number];

const FORMS = [
  ["JSON", false],
  ["events", true],
] as const;

interface Conversation {
  readonly turns: readonly [Turn, Turn];
  readonly answers: readonly [TurnAnswer, TurnAnswer];
}

describe.each(["sglang-session", "sglang-explicit"] as const)("%s", (dialect) => {
  let stack: ComputingStack;
  const conversations = new Map<string, Conversation>();

  beforeAll(async () => {
    stack = await startComputingStack({ adapt: withEngineChoice, turns: { dialect } });
    for (const kind of KINDS) {
      for (const [form, isStream] of FORMS) {
        conversations.set(`${kind} ${form}`, await converse(kind, isStream));
      }
    }
    return async () => stack.close();
  });

  async function converse(kind: Kind, isStream: boolean): Promise<Conversation> {
    const session = `${dialect} ${kind} ${isStream}`;
    const begin = `The ${kind} of ${isStream} is moored where its cache lies. `.repeat(4);
    const common = { session: session.replaceAll(" ", "-"), newTokens: NEW_TOKENS, isStream };
    const fields = { rid: `first-of-${common.session}` };
    const first = { ...common, prompt: firstPrompt(kind, begin), fields };
    const answer = await sent(first, "a");
    const second = { ...common, prompt: nextPrompt(first, answer.text) };
    return { turns: [first, second], answers: [answer, await sent(second, "b")] };
  }

  async function sent(turn: Turn, engine: string): Promise<TurnAnswer> {
    const send = () => askTurn(stack.url, { ...turn, request: { headers: onlyAt(stack, engine) } });
    return stack.toItsEnd(send);
  }

  /** Its engines take KV in their own requests only. */
  function hasKv(isChat: boolean): boolean {
    return !isChat || dialect === "sglang-explicit";
  }

  describe.each(KINDS)("a conversation in %s", (kind) => {
    describe.each(FORMS)("answered in %s", (form, isStream) => {
      const find = (): Conversation => {
        const found = conversations.get(`${kind} ${form}`);
        if (found === undefined) throw new Error("it did not come so far");
        return found;
      };

      it("is answered as by an engine that has computed all of it [T3]", () => {
        const { turns, answers } = find();
        for (const [at, turn] of turns.entries()) {
          const { text, digest, promptTokens } = freshTurn(turn);
          expect(answers[at]).toMatchObject({ text, digest, promptTokens });
        }
        expect(answers.map(({ engine }) => engine)).toEqual(["a", "b"]);
      });

      it("loads what the two turns have in common, or says why it cannot [T3]", () => {
        const { turns, answers } = find();
        const [first, second] = answers;
        const reused = reusable(turns);
        const isKept = hasKv(kind === "messages");
        expect([first.kv, second.kv]).toEqual(
          isKept ? ["reused=0", `reused=${reused}`] : ["path", "path"],
        );
        expect([first.cachedTokens, second.cachedTokens]).toEqual([0, isKept ? reused : 0]);
        expect(reused).toBeGreaterThanOrEqual(2 * PAGE);
      });

      it("reaches the client byte for byte as from the engine alone [T3] [T5]", async () => {
        const { turns, answers } = find();
        const body = bodyOf({ ...turns[0], isStream });
        const engine = stack.engines.get("a");
        const direct = await send(engine?.url ?? "", { path: pathOf(turns[0].prompt), body });
        expect(timeless(answers[0].response.text)).toBe(timeless(direct.text));
        expect(answers[1].response.text).not.toMatch(
          /kv_?cache|kv_uri|kv_transfer|moorline-|session_params/,
        );
      });
    });
  });
});

function firstPrompt(kind: Kind, text: string): TurnPrompt {
  if (kind === "messages") return { messages: [{ role: "user", content: text }] };
  return kind === "text" ? { text } : { ids: idsOf({ text }) };
}

/** The first prompt, its answer, and more. */
function nextPrompt({ prompt, newTokens }: Turn, answer: string): TurnPrompt {
  const more = " And what is it moored with?";
  if ("text" in prompt) return { text: prompt.text + answer + more };
  if ("messages" in prompt) {
    const assistant = { role: "assistant", content: answer };
    return { messages: [...prompt.messages, assistant, { role: "user", content: more }] };
  }
  const { outputIds } = freshTurn({ prompt, newTokens });
  return { ids: [...prompt.ids, ...outputIds, ...idsOf({ text: more })] };
}

/**
 * Of the second turn, the tokens in what the first stored that begin it. Short segments are loaded whole: one of the prompt, and one of
 * the answer as far as its ids were told, which those of chats are not.
 */
function reusable([first, second]: Conversation["turns"]): number {
  const prompt = idsOf(first.prompt);
  const isChat = "messages" in first.prompt;
  const stored = isChat ? prompt : [...prompt, ...freshTurn(first).outputIds.slice(0, -1)];
  const shared = sharedTokens(stored, idsOf(second.prompt));
  const ends = [prompt.length, stored.length].map((end) => end - (end % PAGE));
  return Math.max(...ends.filter((end) => end <= shared));
}

/** Without what is another with each request. */
function timeless(text: string): string {
  return text.replaceAll(/"(created|e2e_latency)":[\d.e-]+/g, '"$1":0');
}
