/** Bodies of pools with KV through a real Envoy: what reaches the engine, and what reaches the client. */
import { hash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { setTimeout as wait } from "node:timers/promises";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { json, send, type ClientRequest } from "../support/client.ts";
import { streamInFullDuplex } from "../support/ext-proc-filter.ts";
import { eventually } from "../support/grpc-server.ts";
import { INJECTED, MARKER } from "../support/marked-turns.ts";
import { startTurnStack, type TurnStack, type TurnStackOptions } from "../support/turn-stack.ts";

const MIB = 1024 * 1024;
const LIMIT = 16 * MIB;
const path = "/generate";
const first = "data: one\n\n";
const last = "data: [DONE]\n\n";

let stack: TurnStack;

beforeAll(async () => {
  stack = await startTurnStack({
    kv: { bodyLimitBytes: LIMIT, passPaths: { default: ["/free"] } },
  });
  return async () => stack.close();
});

beforeEach(() => {
  stack.turns.log.length = 0;
  stack.turns.fault = undefined;
  stack.turns.gate = undefined;
  stack.answer((response) => response.setHeader("content-type", "application/json").end("{}"));
});

async function another(options: TurnStackOptions): Promise<TurnStack> {
  const started = await startTurnStack({ kv: { bodyLimitBytes: LIMIT }, ...options });
  onTestFinished(async () => started.close());
  return started;
}

/** A JSON object of exactly this many bytes. */
function bodyOf(sizeBytes: number): Buffer {
  return Buffer.from(`{"text":"${"w".repeat(sizeBytes - 11)}"}`);
}

function spliced(body: Buffer): string {
  return hash("sha256", Buffer.concat([body.subarray(0, -1), Buffer.from(INJECTED)]));
}

const ask = async (more: Partial<ClientRequest> = {}, on = stack) =>
  send(on.url, { path, body: bodyOf(100), ...more });

function events(response: ServerResponse): ServerResponse {
  return response.setHeader("content-type", "text/event-stream");
}

const ways = [
  ["with a length", {}],
  ["chunked", { isChunked: true }],
  ["over HTTP/2", { protocol: "h2" }],
] as const;

describe.each(ways)("a request %s", (_, way) => {
  it.each([
    ["1 KiB", 1024],
    ["1 MiB", MIB],
    ["8 MiB", 8 * MIB],
    ["16 MiB, the limit", LIMIT],
  ])("of %s reaches the engine as its turn has it, with its length", async (_size, sizeBytes) => {
    const body = bodyOf(sizeBytes);
    const headers = { "accept-encoding": "gzip", "x-moorline-kv": "1", "x-session-final": "1" };
    const response = await ask({ ...way, body, headers });
    expect([response.status, response.headers["x-moorline-kv"]]).toEqual([200, "reused=64"]);
    const seen = stack.seen.at(-1);
    expect(hash("sha256", seen?.body ?? "")).toBe(spliced(body));
    expect(seen?.headers["content-length"]).toBe(String(sizeBytes - 1 + INJECTED.length));
    for (const name of ["accept-encoding", "x-moorline-kv", "x-session-final"]) {
      expect(seen?.headers).not.toHaveProperty(name);
    }
  });

  it("over the limit is a 413 that reaches no engine", async () => {
    const before = stack.seen.length;
    const response = await ask({ ...way, body: bodyOf(LIMIT + 1) });
    expect([response.status, response.headers["x-moorline-reason"]]).toEqual([
      413,
      "body_too_large",
    ]);
    expect(stack.seen.length).toBe(before);
  });

  it("that is no JSON is a 400 that names the byte", async () => {
    const before = stack.seen.length;
    const response = await ask({ ...way, body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) });
    expect(response.status).toBe(400);
    expect(json<{ error: object }>(response).error).toMatchObject({
      code: "body_invalid",
      message: expect.stringContaining("offset 2"),
    });
    expect(stack.seen.length).toBe(before);
  });
});

describe("a request", () => {
  it("with a content-encoding is a 415 that reaches no engine", async () => {
    const before = stack.seen.length;
    const response = await ask({ headers: { "content-encoding": "gzip" } });
    expect([response.status, stack.seen.length]).toEqual([415, before]);
  });

  it.each([
    ["%2f", "/v1%2fchat", 400],
    ["%5c", "/v1%5Cchat", 400],
    ["an escaped letter", "/g%65nerate?x=1", 200],
    ["doubled slashes", "//generate", 200],
    ["dots", "/free/../generate", 200],
  ])("whose path holds %s is read or refused, and never passes", async (_, odd, status) => {
    const before = stack.seen.length;
    const response = await ask({ path: odd });
    expect(response.status).toBe(status);
    expect(stack.seen.slice(before).map(({ body }) => body.toString().endsWith(INJECTED))).toEqual(
      status === 200 ? [true] : [],
    );
  });

  it.each([
    ["on a path that passes", { path: "/free" }],
    ["without a body", { method: "POST", body: "" }],
    [
      "with an empty body that is announced by nothing",
      { method: "POST", body: "", isChunked: true },
    ],
  ] as const)("%s goes on as it is", async (_, more) => {
    const response = await ask(more);
    expect([response.status, stack.turns.log]).toEqual([200, []]);
    expect(stack.seen.at(-1)?.body.includes(INJECTED)).toBe(false);
  });
});

describe("an answer", () => {
  it("with a content-encoding reaches nobody: a 502 does", async () => {
    const secret = gzipSync(MARKER);
    stack.answer((response) => {
      response.setHeader("content-encoding", "gzip");
      events(response).end(secret);
    });
    const response = await ask();
    expect([response.status, response.headers["x-moorline-reason"]]).toEqual([
      502,
      "answer_encoded",
    ]);
    expect(response.headers).not.toHaveProperty("content-encoding");
    expect(response.text).not.toContain("secret");
    expect(json<{ error: { code: string } }>(response).error.code).toBe("answer_encoded");
  });

  it("in events goes on event for event while the engine still makes it, without what is ours", async () => {
    const gotFirst = Promise.withResolvers<void>();
    stack.answer((response) => {
      events(response).write(first);
      void gotFirst.promise.then(() => {
        response.write(MARKER.slice(0, 11));
        setImmediate(() => response.end(`${MARKER.slice(11)}${last}`));
      });
    });
    const response = await ask({ onChunk: () => gotFirst.resolve() });
    expect([response.text, response.isComplete]).toEqual([first + last, true]);
    expect(stack.turns.log.at(-1)).toBe("end");
  });

  it.each(ways)("of another size than the engine's is whole: asked for %s", async (_, way) => {
    const text = `{"text":"${"w".repeat(MIB)}"}`;
    stack.answer((response) => {
      response.setHeader("content-length", text.length + MARKER.length).end(`${MARKER}${text}`);
    });
    const response = await ask(way);
    expect([response.isComplete, response.text === text]).toEqual([true, true]);
    expect(response.headers["x-session-id"]).toBeDefined();
  });

  it("of an engine that dies in it is cut, and its turn abandoned", async () => {
    let engine: ServerResponse | undefined;
    stack.answer((response) => {
      engine = response;
      events(response).write(first);
    });
    const response = await ask({ onChunk: () => engine?.destroy() });
    expect([response.text, response.isComplete]).toEqual([first, false]);
    await eventually(() => expect(stack.turns.log.at(-1)).toBe("abandon"));
  });

  it("of an engine that cannot be understood is passed on, whatever it is", async () => {
    stack.answer((response) => response.writeHead(500).end("no"));
    const response = await ask();
    expect([response.status, response.text]).toEqual([500, "no"]);
    expect(stack.turns.log.at(-1)).toMatch(/^answer 500 .*127\.0\.0\.1:\d+ 1$/);
  });
});

describe("a client that leaves", () => {
  it.each(["http/1.1", "h2"] as const)(
    "while its body is held is heard of at once, and no engine is asked (%s)",
    async (protocol) => {
      const before = stack.seen.length;
      const gate = Promise.withResolvers<void>();
      stack.turns.gate = gate.promise;
      const gone = new AbortController();
      const asked = ask({ protocol, signal: gone.signal });
      await eventually(() => expect(stack.turns.log.join()).toContain("begin"));
      gone.abort();
      await expect(asked).rejects.toThrow();
      await eventually(() => expect(stack.counts.open).toBe(0));
      gate.resolve();
      await eventually(() => expect(stack.turns.log.at(-1)).toBe("abandon"));
      expect(stack.seen.length).toBe(before);
    },
  );

  it("in mid-answer has its turn abandoned", async () => {
    stack.answer((response) => void events(response).write(first));
    const gone = new AbortController();
    await expect(ask({ signal: gone.signal, onChunk: () => gone.abort() })).rejects.toThrow();
    await eventually(() => expect(stack.turns.log.at(-1)).toBe("abandon"));
  });
});

describe("a fault of ours", () => {
  it.each(["readBody", "begin", "answer"] as const)(
    "in %s is a 503 with its reason",
    async (fault) => {
      stack.turns.fault = fault;
      const response = await ask();
      expect([response.status, response.headers["x-moorline-reason"]]).toEqual([
        503,
        "internal_error",
      ]);
      expect(response.headers["x-session-id"]).toBeDefined();
    },
  );

  it.each(["http/1.1", "h2"] as const)(
    "in mid-answer breaks it off, and nothing of ours leaks (%s)",
    async (protocol) => {
      let engine: ServerResponse | undefined;
      stack.answer((response) => {
        engine = response;
        events(response).write(first);
      });
      let text = "";
      const asked = ask({
        protocol,
        onChunk: ({ bytes }) => {
          text += bytes.toString();
          stack.turns.fault = "push";
          engine?.end(`${MARKER}${last}`);
        },
      });
      const isComplete = await asked.then(
        (response) => response.isComplete,
        () => false,
      );
      expect([text, isComplete]).toEqual([first, false]);
      await eventually(() => expect(stack.turns.log.at(-1)).toBe("abandon"));
    },
  );
});

describe("an Envoy of another setup", () => {
  it("waits for a held body as long as it is asked, beyond its own message_timeout", async () => {
    const patient = await another({ adapt: (filter) => (filter.message_timeout = "0.5s") });
    patient.turns.gate = wait(1_200);
    expect((await ask({}, patient)).status).toBe(200);
  });

  it("that may not be asked for bodies is a 503 for the client, and the log names the cure", async () => {
    const deaf = await another({ adapt: (filter) => (filter.allow_mode_override = false) });
    const response = await ask({}, deaf);
    expect([response.status, response.headers["x-moorline-reason"]]).toEqual([503, "body_unread"]);
    expect(deaf.events.join()).toContain("allow_mode_override");
  });

  it("that streams in full duplex holds bodies, splices them, and gets the filtered answer", async () => {
    const duplex = await another({ adapt: streamInFullDuplex });
    duplex.answer((response) => {
      events(response).write(`${first}${MARKER.slice(0, 9)}`);
      setImmediate(() => response.end(`${MARKER.slice(9)}${last}`));
    });
    for (const [, way] of ways) {
      const body = bodyOf(4 * MIB);
      const response = await ask({ ...way, body }, duplex);
      expect([response.text, response.isComplete]).toEqual([first + last, true]);
      expect(hash("sha256", duplex.seen.at(-1)?.body ?? "")).toBe(spliced(body));
    }
    duplex.turns.fault = "begin";
    expect((await ask({}, duplex)).status).toBe(503);
  });
});
