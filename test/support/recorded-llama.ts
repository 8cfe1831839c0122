/** A server on a port of its own that answers as a real `llama-server` was seen to, unless a test has it answer otherwise. What it is asked to save, it writes. */
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { freshSlot, PROPS, REFUSALS, restored, saved } from "./recorded-slots.ts";

/** As the real one: the last of them is answered with `connection: close`. */
export const REQUESTS_PER_CONNECTION = 100;

export interface Said {
  readonly status?: number;
  /** Undefined: it does not answer. */
  readonly body: unknown;
}

type Behaviour = (url: URL, body: Record<string, unknown>) => Said | "hang" | "hang up";

export class RecordedLlama {
  readonly #server: Server;
  readonly #behaviours = new Map<string, Behaviour>();
  /** Each as `METHOD /path?query body`. */
  readonly asked: string[] = [];
  props: object = PROPS;
  slots: readonly object[] = [freshSlot(0), freshSlot(1)];
  /** Where it saves; undefined: it was started without such a path. */
  saveFolder: string | undefined;
  /** Without it, nobody is told anything but that it is there. */
  apiKey: string | undefined;
  /** Connections that were opened. */
  connections = 0;
  /** Requests for files that are under way. */
  filesUnderWay = 0;
  mostFilesUnderWay = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
    server.on("connection", () => this.connections++);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response);
    });
  }

  static async start(port = 0): Promise<RecordedLlama> {
    const server = createServer();
    const llama = new RecordedLlama(server);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return llama;
  }

  get target(): { readonly host: string; readonly port: number } {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  /** In place of what was seen. `what`: `GET /props`, or `save`. */
  answers(what: string, behaviour: Said | "hang" | "hang up" | Behaviour): void {
    this.#behaviours.set(what, typeof behaviour === "function" ? behaviour : () => behaviour);
  }

  /** As it was seen to, again. */
  recovers(what: string): void {
    this.#behaviours.delete(what);
  }

  /** With all its connections, as a process that is killed. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://llama");
    if (!this.#mayAsk(request, url)) return refuse(response);
    const body = await text(request);
    this.asked.push(`${request.method} ${request.url} ${body}`.trim());
    const action = url.searchParams.get("action");
    const said = this.#said(`${request.method} ${url.pathname}`, url, body);
    if (said === "hang up") response.socket?.destroy();
    if (said === "hang" && action !== null) {
      this.mostFilesUnderWay = Math.max(this.mostFilesUnderWay, ++this.filesUnderWay);
      response.on("close", () => this.filesUnderWay--);
    }
    if (typeof said === "string") return;
    const json = typeof said.body === "string" ? said.body : JSON.stringify(said.body);
    response.writeHead(said.status ?? 200, { "content-type": "application/json; charset=utf-8" });
    response.end(json);
  }

  #mayAsk({ headers }: IncomingMessage, { pathname }: URL): boolean {
    if (this.apiKey === undefined || pathname === "/health") return true;
    return headers.authorization === `Bearer ${this.apiKey}`;
  }

  #said(what: string, url: URL, body: string): Said | "hang" | "hang up" {
    const action = url.searchParams.get("action") ?? "";
    const members = body === "" ? {} : (JSON.parse(body) as Record<string, unknown>);
    const behaviour = this.#behaviours.get(action) ?? this.#behaviours.get(what);
    if (behaviour !== undefined) return behaviour(url, members);
    switch (what) {
      case "GET /health":
        return { body: { status: "ok" } };
      case "GET /props":
        return { body: this.props };
      case "GET /slots":
        return { body: this.slots };
      case "GET /lora-adapters":
        return { body: [] };
      default:
        return this.#act(action, Number(url.pathname.split("/")[2]), members);
    }
  }

  #act(action: string, slot: number, { filename }: Record<string, unknown>): Said {
    const name = String(filename);
    if (this.saveFolder === undefined) return { status: 501, body: { error: REFUSALS.noSavePath } };
    switch (action) {
      case "save":
        writeFileSync(join(this.saveFolder, name), Buffer.alloc(36));
        return { body: { ...saved(slot, name, 0), n_written: 36 } };
      case "restore":
        return { body: restored(slot, name) };
      case "erase":
        return { body: { id_slot: slot, n_erased: 6 } };
      default:
        return { status: 404, body: { error: REFUSALS.notFound } };
    }
  }
}

/** As the real one, which gives up the connection with it. */
function refuse(response: ServerResponse): void {
  response.writeHead(401, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ error: REFUSALS.noKey }));
}
