/** A request whose body comes in two parts, for what must happen while it is under way. */
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

export interface SlowRequest {
  /** Sends the rest of the body and resolves with the answer. */
  finish(): Promise<{ readonly status: number; readonly headers: IncomingMessage["headers"] }>;
}

const path = "/v1/chat/completions";

/** Sends the headers and half of the body. Without an id in the headers, Moorline waits for the other half: an open exchange. */
export function openSlowRequest(url: string, body: object): SlowRequest {
  const bytes = Buffer.from(JSON.stringify(body));
  const half = bytes.length >> 1;
  const headers = { "content-length": bytes.length, "content-type": "application/json" };
  const sent = httpRequest(`${url}${path}`, { method: "POST", headers });
  const answered = once(sent, "response") as Promise<[IncomingMessage]>;
  sent.write(bytes.subarray(0, half));
  return {
    finish: async () => {
      sent.end(bytes.subarray(half));
      const [response] = await answered;
      await text(response);
      return { status: response.statusCode ?? 0, headers: response.headers };
    },
  };
}
