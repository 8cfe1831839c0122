/**
 * A client for tests through Envoy: HTTP/1.1 or HTTP/2, any body, and every chunk of the answer with the time at which it came.
 */
import { request as httpRequest } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";
import { connect } from "node:http2";
import type { Readable } from "node:stream";

export interface ClientRequest {
  /** POST where there is a body, else GET. */
  readonly method?: string;
  readonly path: string;
  /** A list sends the header several times. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** An object is sent as JSON. */
  readonly body?: object | string | Buffer;
  readonly protocol?: "http/1.1" | "h2";
  /** Sends the body chunked, without content-length. HTTP/1.1 only. */
  readonly isChunked?: boolean;
  readonly signal?: AbortSignal;
  /** Called as chunks come, for what must happen in mid-answer. */
  readonly onChunk?: (chunk: Chunk) => void;
}

export interface Chunk {
  /** Milliseconds since the request was sent. */
  readonly atMs: number;
  readonly bytes: Buffer;
}

export interface ClientResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly chunks: readonly Chunk[];
  readonly text: string;
  /** False when the answer was cut before its end. */
  readonly isComplete: boolean;
}

const deadlineMs = 30_000;

/** Rejects only when no response headers came. */
export async function send(url: string, request: ClientRequest): Promise<ClientResponse> {
  const { body: given } = request;
  const body =
    given === undefined || typeof given === "string" || Buffer.isBuffer(given)
      ? given
      : JSON.stringify(given);
  const prepared: Prepared = {
    ...request,
    method: request.method ?? (body === undefined ? "GET" : "POST"),
    body: Buffer.from(body ?? ""),
    signal: AbortSignal.any([
      AbortSignal.timeout(deadlineMs),
      ...(request.signal ? [request.signal] : []),
    ]),
  };
  return request.protocol === "h2" ? sendHttp2(url, prepared) : sendHttp1(url, prepared);
}

/** The JSON of an answer, as the test expects it to be. */
export function json<T>(response: ClientResponse): T {
  return JSON.parse(response.text) as T;
}

type Prepared = ClientRequest & {
  readonly method: string;
  readonly body: Buffer;
  readonly signal: AbortSignal;
};

async function sendHttp1(url: string, request: Prepared): Promise<ClientResponse> {
  const { method, path, body, signal, isChunked } = request;
  const length = body.length === 0 || isChunked === true ? {} : { "content-length": body.length };
  const headers: OutgoingHttpHeaders = { ...length, ...request.headers };
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    // The path goes out as it is: a URL object would normalise it.
    const { hostname, port } = new URL(url);
    const sent = httpRequest({ hostname, port, path, method, headers, signal }, (response) => {
      const head = { status: response.statusCode ?? 0, headers: flatten(response.headers) };
      readAll(response, { request, startMs }).then((rest) => resolve({ ...head, ...rest }), reject);
    });
    sent.on("error", reject);
    if (isChunked === true) sent.write(body);
    sent.end(isChunked === true ? undefined : body);
  });
}

async function sendHttp2(url: string, request: Prepared): Promise<ClientResponse> {
  const { method, path, body, signal } = request;
  const session = connect(url);
  const startMs = performance.now();
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const head = { ...request.headers, ":method": method, ":path": path };
      const stream = session.request(head, { endStream: body.length === 0, signal });
      stream.on("error", reject);
      stream.on("response", (headers) => {
        const status = headers[":status"] ?? 0;
        readAll(stream, { request, startMs }).then(
          (rest) => resolve({ status, headers: flatten(headers), ...rest }),
          reject,
        );
      });
      if (body.length > 0) stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

interface Reading {
  readonly request: ClientRequest;
  readonly startMs: number;
}

async function readAll(stream: Readable, { request, startMs }: Reading) {
  const chunks: Chunk[] = [];
  let isComplete = true;
  try {
    for await (const bytes of stream as AsyncIterable<Buffer>) {
      const chunk = { atMs: performance.now() - startMs, bytes };
      chunks.push(chunk);
      request.onChunk?.(chunk);
    }
  } catch {
    isComplete = false;
  }
  const text = Buffer.concat(chunks.map(({ bytes }) => bytes)).toString("utf8");
  return { chunks, text, isComplete };
}

function flatten(
  headers: Readonly<Record<string, string | string[] | number | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value?.toString()]),
  );
}
