/** Turns of engines that speak HTTP/2, through a real Envoy: what follows a body there may be trailers, and then they are its end. */
import type { ServerResponse } from "node:http";
import { beforeAll, describe, expect, it } from "vitest";
import { send } from "../support/client.ts";
import { eventually } from "../support/grpc-server.ts";
import { MARKER } from "../support/marked-turns.ts";
import { startTurnStack, type TurnStack } from "../support/turn-stack.ts";

const first = "data: one\n\n";
const last = "data: [DONE]\n\n";
const [begun, rest] = [MARKER.slice(0, 11), MARKER.slice(11)];

let stack: TurnStack;

beforeAll(async () => {
  stack = await startTurnStack({ engine: "http2" });
  return async () => stack.close();
});

/** What the client gets, and how the turn went. */
async function ask(answer: (response: ServerResponse) => void, protocol: "http/1.1" | "h2") {
  stack.turns.log.length = 0;
  stack.answer(answer);
  const response = await send(stack.url, { path: "/generate", body: "{}", protocol });
  await eventually(() => expect(stack.turns.log.at(-1)).toMatch(/^(end|abandon)$/));
  return { response, end: stack.turns.log.at(-1) };
}

function events(response: ServerResponse): ServerResponse {
  response.setHeader("content-type", "text/event-stream");
  return response;
}

describe.each(["http/1.1", "h2"] as const)(
  "the answer of an engine over HTTP/2, to %s",
  (protocol) => {
    it("is whole where trailers end it, and loses what is ours", async () => {
      const { response, end } = await ask((answer) => {
        events(answer).write(first + begun);
        setImmediate(() => {
          answer.write(rest + last);
          answer.addTrailers({ "x-checked": "1" });
          answer.end();
        });
      }, protocol);
      expect([response.status, response.text, response.isComplete, end]).toEqual([
        200,
        first + last,
        true,
        "end",
      ]);
    });

    it("is whole where nothing follows it", async () => {
      const { response, end } = await ask((answer) => events(answer).end(first + last), protocol);
      expect([response.text, response.isComplete, end]).toEqual([first + last, true, "end"]);
    });

    it("that breaks off in what is ours, with trailers behind it, brings nothing of that", async () => {
      const gotFirst = Promise.withResolvers<void>();
      stack.answer((answer) => {
        events(answer).write(first + begun);
        answer.addTrailers({ "x-checked": "1" });
        void gotFirst.promise.then(() => answer.end());
      });
      let shown = "";
      const onChunk = ({ bytes }: { readonly bytes: Buffer }) => {
        shown += bytes.toString();
        gotFirst.resolve();
      };
      const request = { path: "/generate", body: "{}", protocol, onChunk };
      await send(stack.url, request).catch(() => "Envoy has reset it");
      expect(shown).toBe(first);
      await eventually(() => expect(stack.events.at(-2)).toMatch(/^failed envoy_unsuited/));
    });
  },
);
