/**
 * One kept-alive HTTP connection to an engine. That it is still the same connection is what shows that the process behind it is
 * still the same, so each question must go over the very socket of the first, and the end of that socket is told at once, also
 * while nothing is asked.
 */
import { Agent, request, type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";

export interface EngineTarget {
  readonly host: string;
  readonly port: number;
  /** Which the engine wants as a bearer's. Undefined: none. */
  readonly apiKey?: string | undefined;
}

/** Of whatever we ask an engine for. */
export function askedBy({ apiKey }: EngineTarget): Readonly<Record<string, string>> {
  const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  return { accept: "application/json", "user-agent": "moorline-kv", ...authorization };
}

export interface EngineConnection {
  /** A question at a time: the next one after the answer. */
  get(path: string): void;
  /** The same, with a JSON text. */
  post(path: string, json: string): void;
  /** Nothing is told any more. Idempotent. */
  close(): void;
}

export interface ConnectionEvents {
  answered(answer: Answer): void;
  /** In a few words, once; nothing is told after it. */
  lost(why: string): void;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Connects with the first question. Tells nothing before it returns. */
export type OpenConnection = (target: EngineTarget, events: ConnectionEvents) => EngineConnection;

/** SGLang's answer to `/get_server_info` has some 20 KB. */
export const ANSWER_LIMIT_BYTES = 1024 * 1024;

export const openHttpConnection: OpenConnection = (target, events) =>
  new HttpConnection(target, events);

class HttpConnection implements EngineConnection {
  readonly #target: EngineTarget;
  readonly #events: ConnectionEvents;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** Of the first question. */
  #socket: Socket | undefined;
  #isOver = false;

  constructor(target: EngineTarget, events: ConnectionEvents) {
    this.#target = target;
    this.#events = events;
  }

  get(path: string): void {
    this.#ask("GET", path).end();
  }

  post(path: string, json: string): void {
    const call = this.#ask("POST", path);
    call.setHeader("content-type", "application/json");
    call.setHeader("content-length", Buffer.byteLength(json));
    call.end(json);
  }

  close(): void {
    this.#isOver = true;
    this.#agent.destroy();
  }

  #ask(method: string, path: string): ClientRequest {
    const { host, port } = this.#target;
    const headers = askedBy(this.#target);
    const call = request({ host, port, path, method, agent: this.#agent, headers });
    call.on("socket", (socket) => this.#adopt(socket, call));
    call.on("response", (response) => this.#read(response, call));
    call.on("error", (error: NodeJS.ErrnoException) => this.#lose(error.code ?? error.message));
    return call;
  }

  #adopt(socket: Socket, call: ClientRequest): void {
    if (this.#socket === undefined) {
      this.#socket = socket;
      socket.once("close", () => this.#lose("closed by the engine"));
    } else if (socket !== this.#socket) {
      call.destroy();
      this.#lose("closed by the engine");
    }
  }

  #read(response: IncomingMessage, call: ClientRequest): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= ANSWER_LIMIT_BYTES) chunks.push(chunk);
      else this.#lose(`an answer of more than ${ANSWER_LIMIT_BYTES} bytes`);
    });
    response.on("error", (error: NodeJS.ErrnoException) => this.#lose(error.code ?? error.message));
    response.on("end", () => {
      const status = response.statusCode ?? 0;
      if (!call.shouldKeepAlive) this.#lose(`${status}, and it keeps no connection open`);
      if (this.#isOver) return;
      this.#events.answered({ status, text: Buffer.concat(chunks).toString("utf8") });
    });
  }

  #lose(why: string): void {
    if (this.#isOver) return;
    this.close();
    this.#events.lost(why);
  }
}
