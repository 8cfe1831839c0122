/**
 * What Moorline adds to a turn with a long body: 100 KB of a conversation that grows by a message with each turn, so that only its end
 * is tokenised. The endpoint answers at once and stores nothing, and the same body goes through the same Envoy without ext_proc, in
 * alternating order.
 */
import { once } from "node:events";
import { Agent, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { medianOf } from "../figures.ts";
import { createFiles, startStack } from "./stack.ts";

export interface AddedPlan {
  readonly rounds: number;
  readonly warmUps: number;
}

export interface AddedReport {
  /** Median over the rounds of what a turn took longer in the round. */
  readonly addedP50Ms: number;
  readonly plainP50Ms: number;
  readonly moorlineP50Ms: number;
}

const BODY_BYTES = 100_000;
const MESSAGE = "<|im_start|>user\nAnd what does the harbour master say of the wind?<|im_end|>\n";
const ANSWER = JSON.stringify({ text: "", output_ids: [], meta_info: {} });

export async function measureAdded(plan: AddedPlan): Promise<AddedReport> {
  await using closers = new AsyncDisposableStack();
  const files = await createFiles();
  closers.defer(() => files.close());
  const endpoint = await listen();
  closers.defer(() => {
    endpoint.closeAllConnections();
    endpoint.close();
  });
  const { port } = endpoint.address() as AddressInfo;
  const endpoints = [{ name: "endpoint", address: `127.0.0.1:${port}` }];
  const stack = await startStack({ endpoints, files: files.path, mode: "sticky" });
  closers.defer(() => stack.close());
  const agent = new Agent({ keepAlive: true });
  closers.defer(() => agent.destroy());

  const rounds: { plain: number; moorline: number }[] = [];
  let said = MESSAGE.repeat(Math.floor(BODY_BYTES / MESSAGE.length));
  for (let round = 0; round < plan.warmUps + plan.rounds; round += 1) {
    said += MESSAGE;
    const body = Buffer.from(
      JSON.stringify({ text: said, sampling_params: { max_new_tokens: 1 } }),
    );
    const time = async (url: string) => timeTurn({ url, body, agent, hasKv: url === stack.url });
    const isPlainFirst = round % 2 === 0;
    const first = await time(isPlainFirst ? stack.plainUrl : stack.url);
    const second = await time(isPlainFirst ? stack.url : stack.plainUrl);
    if (round < plan.warmUps) continue;
    rounds.push(
      isPlainFirst ? { plain: first, moorline: second } : { plain: second, moorline: first },
    );
  }
  return {
    addedP50Ms: medianOf(rounds.map(({ plain, moorline }) => moorline - plain)),
    plainP50Ms: medianOf(rounds.map(({ plain }) => plain)),
    moorlineP50Ms: medianOf(rounds.map(({ moorline }) => moorline)),
  };
}

/** As an engine, as far as Moorline looks; it says nothing of itself that could differ from the profile. */
async function listen(): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 0 }, (incoming, response) => {
    incoming.resume().on("end", () => {
      const isTurn = incoming.url === "/generate";
      response.writeHead(200, { "content-type": "application/json" });
      response.end(isTurn ? ANSWER : "{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

interface TimedTurn {
  readonly url: string;
  readonly body: Buffer;
  readonly agent: Agent;
  readonly hasKv: boolean;
}

/** In ms, to the end of the answer. Rejects where it is not the endpoint's, or was a turn without KV. */
async function timeTurn({ url, body, agent, hasKv }: TimedTurn): Promise<number> {
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "x-session-id": "long-talk",
    "x-moorline-kv": "1",
  };
  const startMs = performance.now();
  const sent = request(`${url}/generate`, { method: "POST", agent, headers });
  sent.end(body);
  const [response] = await once(sent, "response");
  const chunks: Buffer[] = await response.toArray();
  const ms = performance.now() - startMs;
  const text = Buffer.concat(chunks).toString();
  const kvStatus: string = response.headers["x-moorline-kv"] ?? "none";
  if (response.statusCode !== 200 || text !== ANSWER || kvStatus.startsWith("reused=") !== hasKv) {
    throw new Error(`status ${response.statusCode}, KV ${kvStatus}: ${text.slice(0, 200)}`);
  }
  return ms;
}
