/** Bodies in and out, with limits. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** `undefined` when the body is larger than the limit; the rest of it is read and dropped. */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= limitBytes) chunks.push(chunk);
  }
  return sizeBytes <= limitBytes ? Buffer.concat(chunks) : undefined;
}

export function sendJson(response: ServerResponse, status: number, payload: unknown): void {
  const json = JSON.stringify(payload);
  const length = Buffer.byteLength(json);
  response.writeHead(status, { "content-type": "application/json", "content-length": length });
  response.end(json);
}

/** As SGLang's native routes and OpenAI's clients both read it. */
export function sendError(response: ServerResponse, status: number, message: string): void {
  const type = status < 500 ? "BadRequestError" : "InternalServerError";
  sendJson(response, status, { error: { message, type, code: status } });
}

/** Aborts when the client is gone, or has its answer. */
export function abortOnClose(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => controller.abort());
  return controller.signal;
}
