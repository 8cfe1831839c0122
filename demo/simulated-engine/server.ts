/**
 * The HTTP side of a simulated engine: `POST /v1/chat/completions`, `POST /generate`, `GET /health`,
 * `GET /get_server_info`, `POST /flush_cache`. Every answer names the engine in `x-engine`. Bodies have a limit, errors are
 * JSON.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Engine } from "./engine.ts";
import type { EngineSpeed } from "./engine.ts";
import { BadRequest, formatAnswer, formatEvent, formatStreamEnd, parsePrompt } from "./protocol.ts";
import type { Answerer, Dialect, Prompt } from "./protocol.ts";

export interface EngineServerOptions {
  readonly name: string;
  /** An IP literal; loopback unless given. */
  readonly host?: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly speed: EngineSpeed;
  readonly bodyLimitBytes: number;
  /** Called for each request to a model path once its body is complete. */
  readonly onRequest?: (request: SeenRequest) => void;
}

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** `unhealthy`: only `GET /health` fails. `error`: only the model paths fail, with 500. */
export type EngineFault = "none" | "unhealthy" | "error";

export interface EngineServer {
  readonly port: number;
  readonly engine: Engine;
  setFault(fault: EngineFault): void;
  /** Drops open connections. Idempotent. */
  close(): Promise<void>;
}

const dialects: Readonly<Record<string, Dialect>> = {
  "/v1/chat/completions": "chat",
  "/generate": "generate",
};

/** Resolves once it listens. */
export async function openEngineServer(options: EngineServerOptions): Promise<EngineServer> {
  const handler = new EngineHandler(options);
  // An engine never closes an idle connection: a proxy may be about to use it.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    handler.handle(request, response).catch((reason: unknown) => handler.fail(response, reason));
  });
  server.listen(options.port, options.host ?? "127.0.0.1");
  await once(server, "listening");
  return {
    // A server that listens on TCP has an address of this form.
    port: (server.address() as AddressInfo).port,
    engine: handler.engine,
    setFault: (fault) => (handler.fault = fault),
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

class EngineHandler {
  readonly engine: Engine;
  readonly #options: EngineServerOptions;
  fault: EngineFault = "none";

  constructor(options: EngineServerOptions) {
    this.#options = options;
    this.engine = new Engine(options.speed);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader("x-engine", this.#options.name);
    const { pathname } = new URL(request.url ?? "/", "http://engine");
    const dialect = dialects[pathname];
    if (dialect !== undefined && request.method === "POST") {
      return this.#generate(dialect, request, response);
    }
    request.resume();
    switch (`${request.method} ${pathname}`) {
      case "GET /health":
        return sendJson(response, this.fault === "unhealthy" ? 503 : 200, { status: this.fault });
      case "GET /get_server_info":
        return sendJson(response, 200, { name: this.#options.name, ...this.engine.totals });
      case "POST /flush_cache":
        this.engine.flush();
        return sendJson(response, 200, { status: "flushed" });
      default:
        return sendError(response, 404, `no such path: ${request.method} ${pathname}`);
    }
  }

  /** Whatever went wrong while a request was served. After the first byte of an answer only a cut is honest. */
  fail(response: ServerResponse, reason: unknown): void {
    if (response.headersSent || response.destroyed) response.destroy();
    else if (reason instanceof BadRequest) sendError(response, 400, reason.message);
    else sendError(response, 500, String(reason));
  }

  async #generate(dialect: Dialect, request: IncomingMessage, response: ServerResponse) {
    const body = await readBody(request, this.#options.bodyLimitBytes);
    if (body === undefined) {
      return sendError(response, 413, `the body is above ${this.#options.bodyLimitBytes} bytes`);
    }
    this.#options.onRequest?.({ path: request.url ?? "/", headers: request.headers, body });
    if (this.fault === "error") return sendError(response, 500, "told to fail");
    if (this.engine.isFull) return sendError(response, 429, "too many prompts wait");
    const prompt = parsePrompt(dialect, body.toString("utf8"));
    const answerer = { id: randomUUID(), model: prompt.model, engine: this.#options.name };
    return prompt.isStream
      ? this.#stream(prompt, answerer, response)
      : this.#respond(prompt, answerer, response);
  }

  async #respond(prompt: Prompt, answerer: Answerer, response: ServerResponse): Promise<void> {
    let last;
    for await (const step of this.engine.answer(prompt, abortOnClose(response))) last = step;
    if (last === undefined) throw new Error("an answer has at least one token");
    sendText(response, 200, formatAnswer(answerer, prompt.dialect, last));
  }

  async #stream(prompt: Prompt, answerer: Answerer, response: ServerResponse): Promise<void> {
    let usage;
    for await (const step of this.engine.answer(prompt, abortOnClose(response))) {
      if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(formatEvent(answerer, prompt.dialect, step));
      usage = step.usage;
    }
    if (usage === undefined) throw new Error("an answer has at least one token");
    response.end(formatStreamEnd(answerer, prompt.dialect, usage));
  }
}

function abortOnClose(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => controller.abort());
  return controller.signal;
}

/** `undefined` when the body is larger than the limit; the rest of it is read and dropped. */
async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= limitBytes) chunks.push(chunk);
  }
  return sizeBytes <= limitBytes ? Buffer.concat(chunks) : undefined;
}

function sendJson(response: ServerResponse, status: number, payload: object): void {
  sendText(response, status, JSON.stringify(payload));
}

function sendText(response: ServerResponse, status: number, json: string): void {
  const length = Buffer.byteLength(json);
  response.writeHead(status, { "content-type": "application/json", "content-length": length });
  response.end(json);
}

function sendError(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { error: { message, type: "engine_error" } });
}
