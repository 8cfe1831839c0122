import { describe, expect, it } from "vitest";
import { tokenizerProbes } from "../../../src/kv/tokens/tokenizer-probes.ts";
import { openPromptTokens } from "../../../src/kv/tokens/open-prompt-tokens.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { CHAT_TEMPLATE, writeTokenizer, smallTokenizer } from "../../support/small-tokenizer.ts";

interface Asked {
  readonly prompt?: string;
  readonly messages?: readonly { readonly role: string }[];
  readonly tools?: readonly unknown[];
}

const asked = (request: string): Asked => JSON.parse(request);

async function probesOf(rendersChats: boolean, template = CHAT_TEMPLATE) {
  const files = writeTokenizer({ tokenizer: smallTokenizer(), template });
  const workerLost = () => {};
  const tokens = await openPromptTokens({ files, scheduler: new FakeClock(), workerLost });
  const probes = await tokenizerProbes(tokens, { rendersChats });
  await tokens.close();
  return { tokens, probes };
}

describe("the probes of a tokenizer", () => {
  it("are texts in which tokenizers differ, each with the ids that a prompt of it has", async () => {
    const { probes } = await probesOf(false);
    const names = ["ascii", "unicode", "spaces", "digits", "code", "added", "long"];
    expect(probes.map(({ name }) => name)).toEqual(names);
    const files = writeTokenizer({ tokenizer: smallTokenizer() });
    const scheduler = new FakeClock();
    const other = await openPromptTokens({ files, scheduler, workerLost: () => {} });
    for (const { request, ids } of probes) {
      const text = asked(request).prompt ?? "";
      expect(text.isWellFormed()).toBe(true);
      expect(await other.encode({ kind: "text", text })).toEqual({ kind: "encoded", ids });
    }
    await other.close();
  });

  it("hold every added token", async () => {
    const { tokens, probes } = await probesOf(false);
    const text = probes.flatMap(({ request }) => asked(request).prompt ?? []).join("");
    expect(tokens.addedTokens).toContain("<|im_start|>");
    for (const token of tokens.addedTokens) expect(text).toContain(token);
  });

  it("are chats too where the engine renders them, and a template does", async () => {
    const { probes } = await probesOf(true);
    const chats = probes.filter(({ request }) => asked(request).messages !== undefined);
    expect(chats.map(({ name }) => name)).toEqual(["chat", "system chat", "tools"]);
    expect(chats.map(({ isOfTools }) => isOfTools === true)).toEqual([false, false, true]);
    expect(asked(chats[2]?.request ?? "").tools).toHaveLength(1);
    expect(asked(chats[1]?.request ?? "").messages?.[0]?.role).toBe("system");
  });

  it("are no chats that the template refuses", async () => {
    const refusing = `{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}${CHAT_TEMPLATE}`;
    const { probes } = await probesOf(true, refusing);
    expect(probes.map(({ name }) => name).filter((name) => name.endsWith("chat"))).toEqual([
      "chat",
    ]);
  });

  it("are few bytes, and fit into a small context", async () => {
    const { probes } = await probesOf(true);
    const bytes = probes.reduce((sum, { request }) => sum + Buffer.byteLength(request), 0);
    expect(bytes).toBeLessThan(16 * 1024);
  });
});
