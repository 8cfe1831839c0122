/** Streamed answers on their way through a real Envoy: each event is with the client before the engine says the next. */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { type AskedTurn, standInAnswer, startStandIn } from "../../bench/turns/stand-in.ts";
import { startStack } from "../../bench/turns/stack.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";

const EVENTS = 12;
const END = "data: [DONE]\n\n";
/** So long an engine waits for a client that sees nothing; once, for the rest of them it does not wait. */
const PATIENCE_MS = 5_000;
const TEXT = "What is moored here, and where does it lie? ".repeat(20);

it("have nothing of them held back, and nothing changed but what is taken out [T5]", async () => {
  const folder = await createFolder("moorline-turns-");
  onTestFinished(() => removeFolder(folder));
  const files = join(folder, "kv");
  await mkdir(files);
  const exchanges: Exchange[] = [];
  const answer = async (turn: AskedTurn) => exchanges.at(-1)?.answer(turn);
  const engine = await startStandIn({ root: files, answer });
  onTestFinished(() => engine.close());
  const endpoints = [{ name: "engine", address: engine.address }];
  const stack = await startStack({ endpoints, files, mode: "sticky", folder });
  onTestFinished(() => stack.close());

  for (const url of [stack.url, stack.plainUrl]) {
    const exchange = new Exchange();
    exchanges.push(exchange);
    await exchange.ask(url);
  }
  const [through, plain] = exchanges;
  expect(through?.unseen).toEqual([]);
  expect(through?.saidOfKv).toBe(EVENTS);
  expect(through?.seen).toBe(through?.shown);
  expect([plain?.unseen, plain?.saidOfKv, plain?.seen]).toEqual([[], 0, plain?.shown]);
});

/** One turn, both of its ends. */
class Exchange {
  /** By the client. */
  seen = "";
  /** What it is to see. */
  shown = "";
  /** Events that had not come when the engine was to say the next. */
  readonly unseen: number[] = [];
  /** Events with members that answer Moorline's. */
  saidOfKv = 0;
  #cameMore = Promise.withResolvers<void>();

  async ask(url: string): Promise<void> {
    const headers = { "content-type": "application/json", "x-session-id": "s" };
    const sent = request(`${url}/generate`, { method: "POST", headers });
    sent.end(JSON.stringify({ text: TEXT, stream: true, sampling_params: { max_new_tokens: 8 } }));
    const [response] = await once(sent, "response");
    for await (const chunk of response.setEncoding("utf8")) {
      this.seen += chunk;
      this.#cameMore.resolve();
    }
  }

  async answer({ body, response }: AskedTurn): Promise<void> {
    const { meta_info, session_params } = standInAnswer(body);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let at = 0; at < EVENTS; at += 1) {
      const state = { text: "moored ".repeat(at), meta_info };
      this.shown += eventOf(state);
      if (session_params !== undefined) this.saidOfKv += 1;
      response.write(eventOf({ ...state, session_params }));
      if (!(await this.#isSeen())) this.unseen.push(at);
    }
    this.shown += END;
    response.end(END);
  }

  async #isSeen(): Promise<boolean> {
    const late = AbortSignal.timeout(this.unseen.length === 0 ? PATIENCE_MS : 0);
    while (this.seen.length < this.shown.length && !late.aborted) {
      this.#cameMore = Promise.withResolvers();
      await Promise.race([this.#cameMore.promise, once(late, "abort")]);
    }
    return this.seen.length >= this.shown.length;
  }
}

function eventOf(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
