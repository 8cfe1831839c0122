/**
 * What no Envoy would send, against a real server over real gRPC: the server lives, the other streams live, memory stays flat,
 * and every error names its cause. The seeds are fixed, so that a failing run can be run again.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { status } from "@grpc/grpc-js";
import type { Client, StatusObject } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { Exchange } from "../../src/extproc/exchange.ts";
import { MAX_RECEIVE_BYTES } from "../../src/extproc/grpc-transport.ts";
import {
  createHarness,
  headersOf,
  requestHeaders,
  DESTINATION,
} from "../support/exchange-harness.ts";
import { ExtProcStream } from "../support/ext-proc-client.ts";
import { eventually, start } from "../support/grpc-server.ts";
import { decodeReply, encodeRequest } from "../support/published-codec.ts";
import type { ProcessingResponse__Output } from "../support/published-codec.ts";
import { judge } from "../support/judge-exchange.ts";
import { randomExchange } from "../support/random-exchange.ts";
import { seededRandom } from "../support/random.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const IN_FLIGHT = 16;
const COLLECTIONS = 3;

/** A server with the real parts behind it. Decisions are counted, not kept. */
async function startServer() {
  const seen = { decided: 0, failures: [] as string[] };
  const harness = createHarness();
  const ports = {
    ...harness.ports,
    passive: { connectFailed: () => undefined, serverError: () => undefined },
    observer: {
      decided: () => (seen.decided += 1),
      refused: () => undefined,
      servedElsewhere: () => undefined,
      observed: () => undefined,
      failed: (error: { readonly code: string; readonly message: string }) =>
        seen.failures.push(`${error.code}: ${error.message}`),
    },
  };
  const started = await start((sink) => new Exchange(ports, sink));
  return { ...started, seen, budget: ports.budget };
}

/** Sends everything, then half-closes. Resolves when the stream is over. */
async function play(client: Client, messages: readonly Uint8Array[]) {
  const stream = new ExtProcStream(client);
  for (const message of messages) stream.send(message);
  stream.halfClose();
  const replies: ProcessingResponse__Output[] = [];
  stream.call.on("data", (bytes: Buffer) => replies.push(decodeReply(bytes)));
  return { replies, status: await stream.status };
}

/** Runs `task` for 0, 1, 2 ... below `count`, some at once. */
async function each(count: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

/** An exchange that is open while the others come and go. `finish` proves that it still works. */
async function openBystander(client: Client) {
  const stream = new ExtProcStream(client);
  stream.send(encodeRequest(requestHeaders({ "x-session-id": "bystander" })));
  const destination = headersOf(decodeReply(await stream.reply()))[DESTINATION];
  return async () => {
    stream.send(encodeRequest({ response_headers: {} }));
    const answered = headersOf(decodeReply(await stream.reply()));
    stream.halfClose();
    const { code } = await stream.status;
    return { destination, id: answered["x-session-id"], code };
  };
}

const unharmed = {
  destination: expect.stringMatching(/^10\.0\.0\.\d:80,/) as string,
  id: "bystander",
  code: status.OK,
};

/** A collection frees buffers in the background, and is over when the next one begins. */
async function heldBytes(): Promise<number> {
  for (let round = 0; round < COLLECTIONS; round++) {
    await new Promise(setImmediate);
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe(
  "10,000 random header sets, in any body mode and message order",
  { timeout: 120_000 },
  () => {
    it("are answered as the protocol says, and leave no byte, no stream and no memory behind", async () => {
      const { client, counts, seen, budget } = await startServer();
      const finishBystander = await openBystander(client);
      const faults: string[] = [];
      const exchange = async (seed: number) => {
        const random = randomExchange(seededRandom(seed));
        const { replies, status: end } = await play(client, random.messages.map(encodeRequest));
        const fault = end.code === status.OK ? judge(random, replies) : end.details;
        if (fault !== undefined) faults.push(`seed ${seed}: ${fault}`);
      };

      await each(2_000, exchange);
      const before = await heldBytes();
      await each(8_000, (index) => exchange(2_000 + index));
      const grownBytes = (await heldBytes()) - before;

      expect(faults).toEqual([]);
      expect(new Set(seen.failures)).toEqual(
        new Set(["wire_invalid: request headers came twice in one stream"]),
      );
      expect(seen.decided).toBeGreaterThan(3_000);
      await eventually(() => expect(counts.open).toBe(1));
      expect([counts.openedEver, budget.heldBytes, counts.failures]).toEqual([10_001, 0, []]);
      expect(await finishBystander()).toEqual(unharmed);
      expect(grownBytes).toBeLessThan(4e6);
    });
  },
);

describe("malformed protobuf", { timeout: 60_000 }, () => {
  const valid = encodeRequest(
    requestHeaders(
      { "x-session-id": "s-1", cookie: "sid=abc", "content-length": "12" },
      { attributes: { "envoy.filters.http.ext_proc": {} }, protocol_config: {} },
    ),
  );
  const random = seededRandom(7);
  const below = (limit: number) => Math.floor(random() * limit);
  const noise = () => Buffer.from(Array.from({ length: 1 + below(200) }, () => below(256)));
  const cut = () => valid.subarray(0, 1 + below(valid.length - 1));
  const flipped = () => {
    const bytes = Buffer.from(valid);
    for (let flips = 1 + below(3); flips > 0; flips--) {
      const at = below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
    }
    return bytes;
  };

  it.each([
    ["random bytes", noise],
    ["cut messages", cut],
    ["messages with flipped bits", flipped],
  ])("as %s ends its own stream cleanly, with the cause named", async (_, make) => {
    const { client, counts, seen } = await startServer();
    const finishBystander = await openBystander(client);
    const ends: StatusObject[] = [];
    await each(1_000, async () => {
      ends.push((await play(client, [make()])).status);
    });
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([status.OK]));
    expect(seen.failures.length).toBeGreaterThan(100);
    expect(seen.failures.filter((failure) => !/^wire_invalid: \w+/.test(failure))).toEqual([]);
    await eventually(() => expect(counts.open).toBe(1));
    expect(await finishBystander()).toEqual(unharmed);
  });
});

describe("a body message around 33 MiB", { timeout: 60_000 }, () => {
  /** A request body message of exactly this many bytes: three tags and three lengths around the body. */
  const bodyMessage = (length: number) => {
    const bytes = encodeRequest({ request_body: { body: Buffer.alloc(length - 10) } });
    expect(bytes).toHaveLength(length);
    return bytes;
  };

  it.each([MAX_RECEIVE_BYTES - 1, MAX_RECEIVE_BYTES])(
    "of %i bytes is our own decision: it passes unread, with an id and a destination [C18]",
    async (length) => {
      const { client } = await startServer();
      const { replies, status: end } = await play(client, [
        encodeRequest(requestHeaders({}, { endOfStream: false })),
        bodyMessage(length),
      ]);
      expect(end.code).toBe(status.OK);
      expect(replies.map(({ response }) => response)).toEqual(["request_headers", "request_body"]);
      expect(replies[1]?.request_body?.response?.body_mutation ?? undefined).toBeUndefined();
      expect(headersOf(replies[1])).toEqual({
        [DESTINATION]: expect.any(String),
        "x-session-id": "minted-1",
      });
    },
  );

  it("and one byte more ends its own stream alone, and says which limit it broke [C18]", async () => {
    const { client, counts } = await startServer();
    const finishBystander = await openBystander(client);
    const { status: end } = await play(client, [
      encodeRequest(requestHeaders({}, { endOfStream: false })),
      bodyMessage(MAX_RECEIVE_BYTES + 1),
    ]);
    expect(end.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(end.details).toContain(String(MAX_RECEIVE_BYTES));
    await eventually(() => expect(counts.open).toBe(1));
    expect(await finishBystander()).toEqual(unharmed);
  });
});
