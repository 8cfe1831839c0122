/**
 * The HTTP side of a simulated engine: `POST /v1/chat/completions`, `POST /generate`, `GET /health`,
 * `GET /get_server_info`, `POST /flush_cache`. Every answer names the engine in `x-engine`. Bodies have a limit, errors are
 * JSON.
 */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { abortOnClose, openHttpServer, sendError, sendJson, sendText } from "../engine/http.ts";
import type { HttpServer, HttpServerOptions, SeenRequest } from "../engine/http.ts";
import { Engine } from "./engine.ts";
import type { EngineSpeed } from "./engine.ts";
import { formatAnswer, formatEvent, formatStreamEnd, parsePrompt } from "./protocol.ts";
import type { Answerer, Dialect, Prompt } from "./protocol.ts";

export interface EngineServerOptions extends Omit<HttpServerOptions, "handle"> {
  readonly name: string;
  readonly speed: EngineSpeed;
  /** Called for each request to a model path. */
  readonly onRequest?: (request: SeenRequest) => void;
}

/** `unhealthy`: only `GET /health` fails. `error`: only the model paths fail, with 500. */
export type EngineFault = "none" | "unhealthy" | "error";

export interface EngineServer extends HttpServer {
  readonly engine: Engine;
  setFault(fault: EngineFault): void;
}

const dialects: Readonly<Record<string, Dialect>> = {
  "/v1/chat/completions": "chat",
  "/generate": "generate",
};

/** Resolves once it listens. */
export async function openEngineServer(options: EngineServerOptions): Promise<EngineServer> {
  const handler = new EngineHandler(options);
  const handle = async (request: SeenRequest, response: ServerResponse) =>
    handler.handle(request, response);
  const server = await openHttpServer(options.name, { ...options, handle });
  return {
    ...server,
    engine: handler.engine,
    setFault: (fault) => (handler.fault = fault),
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

  async handle(request: SeenRequest, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.path, "http://engine");
    const dialect = dialects[pathname];
    if (dialect !== undefined && request.method === "POST") {
      return this.#generate(dialect, request, response);
    }
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

  async #generate(dialect: Dialect, request: SeenRequest, response: ServerResponse) {
    this.#options.onRequest?.(request);
    if (this.fault === "error") return sendError(response, 500, "told to fail");
    if (this.engine.isFull) return sendError(response, 429, "too many prompts wait");
    const prompt = parsePrompt(dialect, request.body.toString("utf8"));
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
