/**
 * The HTTP side of a computing engine: the routes of SGLang that a gateway and a KV service use, and `POST /behave`. Every answer
 * names the engine in `x-engine`. Bodies have a limit, errors are JSON.
 */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { GOOD_BEHAVIOUR, parseBehaviour } from "./behaviour.ts";
import type { Behaviour } from "./behaviour.ts";
import { abortOnClose, openHttpServer, sendError, sendJson } from "./http.ts";
import type { HttpServer, HttpServerOptions, SeenRequest } from "./http.ts";
import type { Model } from "./model/model.ts";
import { LAST_EVENT, formatEvent } from "./protocol/answer-state.ts";
import {
  BadRequest,
  optionalInteger,
  optionalString,
  parseObject,
} from "./protocol/bad-request.ts";
import type { JsonObject } from "./protocol/bad-request.ts";
import { SegmentWriter } from "./segments/writer.ts";
import { answerText } from "./serving/answer-text.ts";
import { readChat, readGenerate } from "./serving/asked.ts";
import type { Asked, AskedOptions } from "./serving/asked.ts";
import { ComputingEngine } from "./serving/engine.ts";
import type { EngineLimits } from "./serving/engine.ts";
import { EngineSessions } from "./serving/sessions.ts";
import { STOP_IDS } from "./tokenizer/engine-tokenizer.ts";
import type { EngineTokenizer } from "./tokenizer/engine-tokenizer.ts";
import { tokenize } from "./protocol/tokenize.ts";

export interface EngineServerOptions extends Omit<HttpServerOptions, "handle"> {
  readonly name: string;
  readonly model: Model;
  readonly tokenizer: EngineTokenizer;
  readonly modelName: string;
  readonly weightVersion: string;
  readonly limits: EngineLimits;
  /** Where `file://` objects are. */
  readonly root: string;
  /** `/tokenize`, which older releases do not have; true unless given. */
  readonly hasTokenize?: boolean;
  /** Streams of chats tell their usage unasked, as with SGLang's flag of that name; false unless given. */
  readonly tellsUsage?: boolean;
  /** Says that it has HiCache, as far as it has a cache of its own; true unless given. That cache puts loaded KV where it belongs either way. */
  readonly hasHiCache?: boolean;
  readonly behaviour?: Behaviour;
  /** Called for each request once its body is complete. */
  readonly onRequest?: (request: SeenRequest) => void;
  /** SIGKILL to this process unless given. */
  readonly die?: () => never;
}

export interface EngineServer extends HttpServer {
  behave(behaviour: Behaviour): void;
  /** Resolves when all answers' segments so far are written or given up. */
  written(): Promise<void>;
}

/** Resolves once it listens. */
export async function openEngineServer(options: EngineServerOptions): Promise<EngineServer> {
  const handler = new EngineHandler(options);
  const handle = async (request: SeenRequest, response: ServerResponse) =>
    handler.handle(request, response);
  const server = await openHttpServer(options.name, { ...options, handle });
  return {
    ...server,
    behave: (behaviour) => (handler.behaviour = behaviour),
    written: async () => handler.writer.idle(),
  };
}

type Read = (fields: JsonObject, options: AskedOptions) => Asked;
type Route = (fields: JsonObject, response: ServerResponse) => void;

const modelPaths: Readonly<Record<string, Read>> = {
  "/generate": readGenerate,
  "/v1/chat/completions": readChat,
};

class EngineHandler {
  readonly writer: SegmentWriter;
  readonly #options: EngineServerOptions;
  readonly #engine: ComputingEngine;
  readonly #sessions = new EngineSessions();
  readonly #routes: Readonly<Record<string, Route>>;
  #behaviour: Behaviour = GOOD_BEHAVIOUR;
  #weightVersion: string;

  constructor(options: EngineServerOptions) {
    const { root, die = killThisProcess } = options;
    this.#options = options;
    this.#weightVersion = options.weightVersion;
    this.writer = new SegmentWriter({ root, die });
    this.#engine = new ComputingEngine({ ...options, stopIds: STOP_IDS, writer: this.writer });
    this.behaviour = options.behaviour ?? GOOD_BEHAVIOUR;
    this.#routes = this.#makeRoutes();
  }

  set behaviour(behaviour: Behaviour) {
    this.#behaviour = behaviour;
    this.writer.behaviour = behaviour;
    this.#engine.prefillUsPerToken = behaviour.prefillUsPerToken;
  }

  async handle(request: SeenRequest, response: ServerResponse): Promise<void> {
    const { method, path, body } = request;
    const { pathname } = new URL(path, "http://engine");
    this.#options.onRequest?.(request);
    const read = method === "POST" ? modelPaths[pathname] : undefined;
    if (read !== undefined) {
      return this.#answer(read, parseObject(body.toString("utf8")), response);
    }
    const name = `${method} ${pathname}`;
    const route = Object.hasOwn(this.#routes, name) ? this.#routes[name] : undefined;
    if (route === undefined) return sendError(response, 404, `no such path: ${name}`);
    route(body.length === 0 ? {} : parseObject(body.toString("utf8")), response);
  }

  async #answer(read: Read, fields: JsonObject, response: ServerResponse): Promise<void> {
    if (this.#behaviour.fault === "error") return sendError(response, 500, "told to fail");
    if (this.#engine.isFull) return sendError(response, 503, "The request queue is full.");
    const asked = this.#read(read, fields, response);
    if (asked === undefined) return;
    const { job, form, isStream } = asked;
    for await (const step of this.#engine.answer(job, abortOnClose(response))) {
      const isLast = step.finish !== undefined;
      if (!isLast && !isStream) continue;
      const state = { ...step, text: answerText(this.#options.tokenizer, step.outputIds) };
      if (isLast) asked.finished(state);
      if (!isStream) sendJson(response, 200, form.whole(state));
      else sendEvents(response, response.headersSent ? "" : form.start(), form.events(state));
    }
    if (isStream) response.end();
  }

  /** Undefined where a stream has been told already what is wrong with the request: SGLang does that with a 200. */
  #read(read: Read, fields: JsonObject, response: ServerResponse): Asked | undefined {
    const { tokenizer, name: engine, modelName: model, tellsUsage = false } = this.#options;
    const created = Math.floor(Date.now() / 1000);
    const answerer = { engine, model, weightVersion: this.#weightVersion, created };
    try {
      const asked = read(fields, { tokenizer, sessions: this.#sessions, answerer, tellsUsage });
      this.#engine.check(asked.job);
      return asked;
    } catch (reason) {
      if (!(reason instanceof BadRequest && read === readGenerate && fields["stream"] === true)) {
        throw reason;
      }
      sendEvents(response, formatEvent({ error: { message: reason.message } }), LAST_EVENT);
      response.end();
      return undefined;
    }
  }

  #makeRoutes(): Readonly<Record<string, Route>> {
    const info: Route = (_fields, response) => sendJson(response, 200, this.#serverInfo());
    const open: Route = (fields, response) => this.#openSession(fields, response);
    const close: Route = (fields, response) => {
      this.#sessions.close(optionalString(fields, "session_id") ?? "");
      sendJson(response, 200, null);
    };
    const flush: Route = (_fields, response) => {
      this.#engine.flush();
      sendJson(response, 200, { success: true });
    };
    const toTokens: Route = (fields, response) => this.#tokenize(fields, response);
    const { hasTokenize = true } = this.#options;
    return {
      ...(hasTokenize && { "POST /tokenize": toTokens, "POST /v1/tokenize": toTokens }),
      "GET /health": (_fields, response) => {
        const { fault } = this.#behaviour;
        sendJson(response, fault === "unhealthy" ? 503 : 200, { status: fault });
      },
      "GET /get_server_info": info,
      "GET /server_info": info,
      "GET /flush_cache": flush,
      "POST /flush_cache": flush,
      "GET /open_session": open,
      "POST /open_session": open,
      "GET /close_session": close,
      "POST /close_session": close,
      "POST /update_weight_version": (fields, response) => {
        this.#weightVersion = optionalString(fields, "new_version") ?? this.#weightVersion;
        sendJson(response, 200, { success: true, new_version: this.#weightVersion });
      },
      "POST /behave": (fields, response) => {
        this.behaviour = parseBehaviour(fields);
        sendJson(response, 200, { success: true });
      },
    };
  }

  #openSession(fields: JsonObject, response: ServerResponse): void {
    if (optionalInteger(fields, "capacity_of_str_len") === undefined) {
      throw new BadRequest("capacity_of_str_len must be an integer");
    }
    const id = optionalString(fields, "session_id") ?? randomUUID();
    if (!this.#sessions.open(id)) throw new BadRequest(`session ${id} is open already`);
    sendJson(response, 200, id);
  }

  #tokenize(fields: JsonObject, response: ServerResponse): void {
    const { tokenizer, limits } = this.#options;
    const told = tokenize(fields, tokenizer);
    sendJson(response, 200, { ...told, max_model_len: limits.contextTokens });
  }

  /** SGLang's names; `internal_states` is our own. */
  #serverInfo(): object {
    const { modelName, model, limits, tellsUsage = false, hasHiCache = true } = this.#options;
    const hasCache = limits.cacheTokens > 0;
    const { requests, promptTokens, cachedTokens, loads, failedLoads } = this.#engine.totals;
    return {
      model_path: modelName,
      served_model_name: modelName,
      tokenizer_path: modelName,
      weight_version: this.#weightVersion,
      stream_response_default_include_usage: tellsUsage,
      tp_size: 1,
      page_size: limits.pageSize,
      kv_cache_dtype: model.shape.dtype,
      context_length: limits.contextTokens,
      max_req_input_len: limits.contextTokens - 1,
      max_running_requests: limits.requests,
      disable_radix_cache: !hasCache,
      enable_hierarchical_cache: hasCache && hasHiCache,
      internal_states: [
        {
          requests,
          prompt_tokens: promptTokens,
          cached_tokens: cachedTokens,
          loads,
          failed_loads: failedLoads,
          pending_writes: this.writer.pending,
          failed_writes: this.writer.failed,
          active_requests: this.#engine.active,
          held_tokens: this.#engine.heldTokens,
          sessions: this.#sessions.count,
        },
      ],
    };
  }
}

function sendEvents(response: ServerResponse, ...events: readonly string[]): void {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(events.join(""));
}

function killThisProcess(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("killed"); // the signal comes before this does
}
