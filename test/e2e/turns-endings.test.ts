/** What turns bring with them and how they end, through a real Envoy; after each ending the next turn is answered rightly. */
import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Bootstrap } from "../../envoy/bootstrap.ts";
import { send, type ClientRequest } from "../support/client.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";
import { onlyAt, withEngineChoice } from "../support/engine-choice.ts";
import { extProcFilterOf, streamInFullDuplex } from "../support/ext-proc-filter.ts";
import { metric } from "../support/moorline-view.ts";
import { askTurn, bodyOf, freshTurn, type Turn, type TurnPrompt } from "../support/turn-client.ts";
import { until } from "../support/until.ts";

let stack: ComputingStack;

beforeAll(async () => {
  const classes = [{ name: "standard" }, { name: "careful", admission: "second_hit" }];
  stack = await startComputingStack({
    engines: ["a", "b", "c"],
    adapt: (bootstrap) => {
      withEngineChoice(bootstrap);
      allowWebSockets(bootstrap);
    },
    kv: { retention: { classes } },
  });
  return async () => stack.close();
});

function allowWebSockets({ static_resources: { listeners } }: Bootstrap): void {
  const managers = listeners.flatMap(({ filter_chains: chains }) => chains[0]?.filters ?? []);
  for (const { typed_config: manager } of managers) {
    Object.assign(manager, { upgrade_configs: [{ upgrade_type: "websocket" }] });
  }
}

function textOf(name: string, words = 12): TurnPrompt {
  return { text: `${name}: ${"what one engine has stored another one loads, ".repeat(words / 4)}` };
}

/** Answered as if nothing was stored. */
async function ask(turn: Turn, engine: string, on = stack) {
  const headers = { ...onlyAt(on, engine), ...turn.request?.headers };
  const request = { ...turn.request, headers };
  const answer = await on.toItsEnd(() => askTurn(on.url, { ...turn, request }));
  const { text, digest, promptTokens } = freshTurn(turn);
  expect(answer).toMatchObject({ text, digest, promptTokens, engine });
  return answer;
}

const ends = async (end: string, on = stack) =>
  metric(on.moorline, `moorline_kv_turn_ends_total{pool="default",end="${end}"}`);

const ways: readonly (readonly [string, Partial<ClientRequest>])[] = [
  ["with a length", {}],
  ["chunked", { isChunked: true }],
  ["over HTTP/2", { protocol: "h2" }],
];

describe("the body that an engine gets", () => {
  it.each(ways)("has its own length where the client sent it %s", async (name, request) => {
    const turn = { session: "length", prompt: textOf(name), newTokens: 4, request };
    await ask(turn, "a");
    const { headers, body } = stack.engines.get("a")?.requests.at(-1) ?? {};
    expect(headers?.["content-length"]).toBe(String(body?.length));
    expect(headers).not.toHaveProperty("transfer-encoding");
    expect(body?.toString()).toContain('"session_params":{"id":"moorline-');
  });
});

describe("a request without a body", () => {
  it("goes on as it is", async () => {
    expect((await send(stack.url, { path: "/health" })).status).toBe(200);
  });

  it("that asks for a WebSocket is refused at once, where Envoy would let it pass", async () => {
    const headers = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const response = await send(stack.url, { path: "/generate", headers });
    expect([response.status, response.headers["x-moorline-reason"]]).toEqual([
      403,
      "upgrade_refused",
    ]);
  });
});

describe("the turn after", () => {
  it("a client has left in mid-answer goes on from the turn before", async () => {
    const before = { session: "left", prompt: textOf("left"), newTokens: 8 };
    await ask(before, "a");
    const prompt = textOf("left", 20);
    const turn = { ...before, prompt, newTokens: 400, isStream: true };
    const over = await stack.over();
    const gone = new AbortController();
    const leaving = send(stack.url, {
      path: "/generate",
      headers: { "x-session-id": "left", ...onlyAt(stack, "a") },
      body: bodyOf(turn),
      signal: gone.signal,
      onChunk: () => gone.abort(),
    });
    await expect(leaving).rejects.toThrow();
    await until(async () => (await stack.over()) > over);
    expect(await ends("cut_short")).toBeGreaterThan(0);
    const next = await ask({ ...turn, newTokens: 8 }, "b");
    expect(next.cachedTokens).toBeGreaterThan(0);
    expect(next.kv).toBe(`reused=${next.cachedTokens}`);
  });

  it("an engine has died in mid-answer goes on elsewhere", async () => {
    const before = { session: "died", prompt: textOf("died"), newTokens: 8 };
    await ask(before, "c");
    const prompt = textOf("died", 20);
    const turn = { ...before, prompt, newTokens: 400, isStream: true };
    const cut = await ends("cut_short");
    let closing: Promise<void> | undefined;
    const die = () => {
      closing ??= stack.engines.get("c")?.close();
    };
    const answer = await send(stack.url, {
      path: "/generate",
      headers: { "x-session-id": "died", ...onlyAt(stack, "c") },
      body: bodyOf(turn),
      onChunk: die,
    });
    expect([answer.status, answer.isComplete]).toEqual([200, false]);
    await closing;
    await until(async () => (await ends("cut_short")) > cut);
    const next = await ask({ ...turn, newTokens: 8 }, "b");
    expect(next.cachedTokens).toBeGreaterThan(0);
    expect(next.kv).toBe(`reused=${next.cachedTokens}`);
  });
});

describe("a session", () => {
  it("is over with the turn that says so: nothing of it is loaded after", async () => {
    const turn = { session: "over", prompt: textOf("over"), newTokens: 8 };
    await ask(turn, "a");
    const longer = { ...turn, prompt: textOf("over", 20) };
    const last = { ...longer, request: { headers: { "x-session-final": "true" } } };
    expect((await ask(last, "b")).cachedTokens).toBeGreaterThan(0);
    await until(async () => (await ask(longer, "a")).kv === "reused=0");
    const { headers = {} } = stack.engines.get("b")?.requests.at(-1) ?? {};
    expect(Object.keys(headers).filter((name) => /moorline|x-session-final/.test(name))).toEqual(
      [],
    );
  });

  it("has the class that its first turn asks for, and another class does not change it", async () => {
    const headers = { "x-moorline-class": "careful" };
    const turn = { session: "class", prompt: textOf("class"), newTokens: 8 };
    const first = await ask({ ...turn, request: { headers } }, "a");
    expect(first.kv).toBe("not_seen_twice");
    expect((await ask(turn, "a")).kv).toBe("reused=0");
    const longer = { ...turn, prompt: textOf("class", 20) };
    expect((await ask(longer, "b")).cachedTokens).toBeGreaterThan(0);
    const unknown = { headers: { "x-moorline-class": "unheard-of" } };
    const other = { ...turn, session: "unheard", prompt: textOf("unheard"), request: unknown };
    expect((await ask(other, "a")).kv).toBe("reused=0");
  });
});

const otherTemplate = {
  turns: { dialect: "sglang-explicit" },
  template: "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
  adapt: withEngineChoice,
};

describe("an engine that makes other tokens of a chat than we do", () => {
  it("gets no KV at all where it says so when it is asked", async () => {
    const engineState = "tokenizer_mismatch";
    const wrong = await startComputingStack({ ...otherTemplate, engineState });
    onTestFinished(() => wrong.close());
    const prompt = { messages: [{ role: "user", content: "one ".repeat(50) }] };
    const answer = await ask({ session: "asked", prompt, newTokens: 4 }, "a", wrong);
    expect(answer.kv).toBe("tokenizer_mismatch");
    expect(await readFile(wrong.moorline.logPath, "utf8")).toContain("(chat) at token");
    const tests = 'moorline_kv_tokenizer_tests_total{pool="default",result="mismatch"}';
    expect(await metric(wrong.moorline, tests)).toBe(2);
  });
});

describe("an engine that counts other tokens than we do", () => {
  it("gets no KV from then on, and the others still do", async () => {
    const wrong = await startComputingStack({
      ...otherTemplate,
      engineOptions: { hasTokenize: false },
    });
    onTestFinished(() => wrong.close());

    const { text: content } = textOf("counted") as { text: string };
    const prompt = { messages: [{ role: "user", content }] };
    const turn = { session: "counted", prompt, newTokens: 8 };
    expect((await ask(turn, "a", wrong)).kv).toBe("reused=0");
    expect(await ends("miscounted", wrong)).toBe(1);
    const off = 'moorline_kv_engines{pool="default",state="engine_miscounted"}';
    await until(async () => (await metric(wrong.moorline, off)) === 1);
    expect((await ask(turn, "a", wrong)).kv).toBe("engine_miscounted");
    expect((await ask(turn, "b", wrong)).kv).toBe("reused=0");
  });
});

describe("an engine whose weights were changed", () => {
  const becomes = (newVersion: string) =>
    fetch(`${stack.engines.get("a")?.url}/update_weight_version`, {
      method: "POST",
      body: JSON.stringify({ new_version: newVersion }),
    });

  it("gets no KV from its first answer on, until it says that they are the profile's", async () => {
    const turn = { session: "weights", prompt: textOf("weights"), newTokens: 8 };
    await ask(turn, "a");
    await becomes("w2");
    onTestFinished(async () => void (await becomes("default")));
    await ask({ ...turn, prompt: textOf("weights", 20) }, "a");
    expect(await ends("other_weights")).toBe(1);
    expect((await ask(turn, "a")).kv).toBe("engine_mismatch");
    await becomes("default");
    await until(async () => (await ask(turn, "a")).kv !== "engine_mismatch");
  });
});

describe("an Envoy that streams in full duplex", () => {
  it("serves a conversation as any other", async () => {
    const duplex = await startComputingStack({
      turns: { dialect: "sglang-explicit" },
      adapt: (bootstrap) => {
        streamInFullDuplex(extProcFilterOf(bootstrap));
        withEngineChoice(bootstrap);
      },
    });
    onTestFinished(() => duplex.close());
    const first = { session: "duplex", prompt: textOf("duplex"), newTokens: 8, isStream: true };
    expect((await ask(first, "a", duplex)).kv).toBe("reused=0");
    for (const [at, [, request]] of ways.entries()) {
      const turn = { ...first, prompt: textOf("duplex", 20), isStream: at > 0, request };
      const answer = await ask(turn, "b", duplex);
      expect(answer.cachedTokens).toBeGreaterThan(0);
      expect(answer.kv).toBe(`reused=${answer.cachedTokens}`);
      expect(answer.response.text).not.toMatch(/kvcache|kv_uri/);
    }
  });
});
