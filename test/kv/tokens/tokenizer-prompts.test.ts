import { describe, expect, it } from "vitest";
import type { ChatPrompt } from "../../../src/kv/dialects/dialect.ts";
import { loadTokenizer } from "../../../src/kv/tokens/loaded-tokenizer.ts";
import { doTokenJob } from "../../../src/kv/tokens/token-jobs.ts";
import type { TokenAnswer, TokenJob } from "../../../src/kv/tokens/token-jobs.ts";
import { TokenizerPrompts } from "../../../src/kv/tokens/tokenizer-prompts.ts";
import type { JobEnd } from "../../../src/kv/tokens/worker-pool.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { CHAT_TEMPLATE, smallTokenizer } from "../../support/small-tokenizer.ts";

const LIMITS = {
  inlineChars: 50,
  inlineChatValues: 10,
  inlineChatChars: 50,
  inlineChatJsonChars: 12,
  chatValues: 20,
  renderedChars: 10_000,
  keptBytes: 100_000,
  answerMs: 500,
  workers: 1,
  waitingJobs: 1,
  waitingChars: 1,
  workerRunMs: 1,
  workerHeapMib: 1,
};
const SOURCE = {
  file: "tokenizer.json",
  tokenizer: smallTokenizer(),
  config: {},
  template: { file: "chat.jinja", text: CHAT_TEMPLATE },
};
const LOADED = loadTokenizer(SOURCE, { chars: LIMITS.renderedChars });
const BUSY = { kind: "unencoded", reason: "tokens_busy" };

describe("what is short is done on the event loop, and what is long by a worker", () => {
  it.each([
    ["a text", 50, []],
    ["a longer text", 51, [["encode", 51]]],
  ])("%s", async (_, chars, jobs) => {
    const { prompts, asked } = openPrompts();
    await prompts.encode({ kind: "text", text: "x".repeat(chars) });
    expect(asked).toEqual(jobs);
  });

  it("a chat", async () => {
    const { prompts, asked } = openPrompts();
    await prompts.encode(chatOf("", 1));
    expect(asked).toEqual([]);
  });

  it("a chat with more values", async () => {
    const { prompts, asked } = openPrompts();
    await prompts.encode(chatOf("", 3));
    expect(asked[0]).toEqual(["render", 12]);
  });

  it("a chat with longer texts", async () => {
    const { prompts, asked } = openPrompts();
    await prompts.encode(chatOf("x".repeat(50), 1));
    expect(asked.map(([kind]) => kind)).toEqual(["render", "encode"]);
  });

  it.each([
    [`{"a":"1234"}`, []],
    [`{"a":"12345"}`, ["render"]],
  ])("a chat with arguments of a tool call, which are parsed: %s", async (json, jobs) => {
    const { prompts, asked } = openPrompts();
    const { chat } = chatOf("", 1);
    const [message] = chat.messages;
    const messages = [{ ...message, tool_calls: [{ function: { arguments: json } }] }];
    await prompts.encode({ kind: "chat", chat: { ...chat, messages } });
    expect(asked.map(([kind]) => kind)).toEqual(jobs);
  });

  it("only the end of a text whose beginning is known", async () => {
    const { prompts, asked } = openPrompts();
    const begun = `${"hello world ".repeat(100)}<|im_start|>`;
    await prompts.encode({ kind: "text", text: begun });
    asked.length = 0;
    const text = `${begun}the and`;
    expect(await prompts.encode({ kind: "text", text })).toEqual(plain(text));
    expect(asked).toEqual([]);
  });
});

describe("a last message that is gone on with", () => {
  /** Merges with the line's end before it, if both are one text. */
  const content = "\nhello ";

  it.each([
    ["framed by its tokenizer", {}],
    ["framed, with a name for its first token", { bos_token: "<s>" }],
    ["not framed", { add_bos_token: false, bos_token: "<s>" }],
  ])("has tokens of its own, as in SGLang: %s", async (_, config) => {
    const loaded = loadTokenizer({ ...SOURCE, config }, { chars: LIMITS.renderedChars });
    const { encode } = loaded.encoder;
    const { prompts } = openPrompts({ loaded });
    const { chat } = chatOf("", 1);
    const messages = [...chat.messages, { role: "assistant", content }];
    const before = "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n";
    const ids = Uint32Array.of(...encode(before), ...encode(content));

    expect(ids).not.toEqual(encode(before + content));
    expect(
      await prompts.encode({
        kind: "chat",
        chat: { ...chat, messages, continueFinalMessage: true },
      }),
    ).toEqual({ kind: "encoded", ids });
  });

  it("keeps a token behind it that its tokenizer adds", async () => {
    const config = { add_eos_token: true, eos_token: "</s>" };
    const loaded = loadTokenizer({ ...SOURCE, config }, { chars: LIMITS.renderedChars });
    const { prompts } = openPrompts({ loaded });
    const { chat } = chatOf("", 1);
    const messages = [...chat.messages, { role: "assistant", content }];
    const outcome = await prompts.encode({
      kind: "chat",
      chat: { ...chat, messages, continueFinalMessage: true },
    });

    expect(outcome.kind === "encoded" && outcome.ids.at(-1)).toBe(loaded.encoder.frame.after[0]);
  });
});

describe("a prompt has no ids", () => {
  it("where it is a chat, and there is no template", async () => {
    const { prompts } = openPrompts({ loaded: { ...LOADED, template: undefined } });
    expect(await prompts.encode(chatOf("", 1))).toEqual({
      kind: "unencoded",
      reason: "no_template",
    });
  });

  it.each([1, 3])("where the template refuses it, here or in a worker", async (messages) => {
    const template = { file: "chat.jinja", text: "{{ raise_exception('no') }}" };
    const loaded = loadTokenizer({ ...SOURCE, template }, { chars: 10 });
    const { prompts } = openPrompts({ loaded });
    expect(await prompts.encode(chatOf("", messages))).toEqual({
      kind: "unencoded",
      reason: "template_failed",
    });
  });

  it("where it is a chat of too many values, which no worker is given", async () => {
    const { prompts, asked } = openPrompts();
    expect(await prompts.encode(chatOf("", 6))).toEqual({
      kind: "unencoded",
      reason: "template_failed",
    });
    expect(asked).toEqual([]);
  });

  it.each([
    { kind: "text", text: "x".repeat(51) } as const,
    chatOf("", 3),
    chatOf("x".repeat(30), 1),
  ])("where no worker has time for it", async (prompt) => {
    const { prompts } = openPrompts({ work: () => ({ kind: "busy" }) });
    expect(await prompts.encode(prompt)).toEqual(BUSY);
  });

  it("after so long, but has them the next time where a worker goes on with it", async () => {
    const released = Promise.withResolvers<void>();
    const { prompts, clock, asked } = openPrompts({ until: released.promise });
    const text = `${"hello world ".repeat(100)}<|im_start|>`;
    const first = prompts.encode({ kind: "text", text });
    await clock.advance(499);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    expect(await first).toEqual(BUSY);
    released.resolve();
    await settle();
    expect(await prompts.encode({ kind: "text", text })).toEqual(plain(text));
    expect(asked).toEqual([["encode", text.length]]);
  });

  it("once it is closed", async () => {
    const { prompts } = openPrompts();
    await prompts.close();
    expect(await prompts.encode({ kind: "text", text: "" })).toEqual(BUSY);
  });
});

it("leaves no timer behind", async () => {
  const { prompts, clock } = openPrompts();
  await prompts.encode({ kind: "text", text: "" });
  expect(clock.pendingTimers).toBe(0);
});

it("passes on what the tokenizer threw", async () => {
  const { prompts } = openPrompts({
    work() {
      throw new Error("a bug");
    },
  });
  const text = "x".repeat(51);
  await expect(prompts.encode({ kind: "text", text })).rejects.toThrow("a bug");
});

interface Given {
  readonly loaded?: typeof LOADED;
  readonly work?: (job: TokenJob) => JobEnd<TokenAnswer>;
  readonly until?: Promise<void>;
}

/** With a worker that is no thread, and notes what it is asked. */
function openPrompts({ loaded = LOADED, work, until = Promise.resolve() }: Given = {}) {
  const asked: [string, number][] = [];
  const clock = new FakeClock();
  const workers = {
    async run(job: TokenJob, weight: number): Promise<JobEnd<TokenAnswer>> {
      asked.push([job.kind, weight]);
      await until;
      return work?.(job) ?? { kind: "done", answer: doTokenJob(loaded, job) };
    },
    close: () => Promise.resolve(),
  };
  const prompts = new TokenizerPrompts({ loaded, workers, scheduler: clock, limits: LIMITS });
  return { prompts, asked, clock };
}

/** Values: the list of messages, absent tools, no arguments, and three of each message. */
function chatOf(content: string, messages: number) {
  const chat: ChatPrompt = {
    messages: Array.from({ length: messages }, () => ({ role: "user", content })),
    tools: undefined,
    templateKwargs: {},
    continueFinalMessage: false,
  };
  return { kind: "chat", chat } as const;
}

function plain(text: string) {
  const ids = Uint32Array.of(...LOADED.encoder.frame.before, ...LOADED.encoder.encode(text));
  return { kind: "encoded", ids };
}
