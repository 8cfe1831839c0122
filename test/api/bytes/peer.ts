/** The other side of a body, which a test moves by hand: it sends and reads no byte of its own accord. */
import { connect, type Socket } from "node:net";

import { until } from "../../support/until.ts";

export class Peer {
  readonly #socket: Socket;
  #text = "";
  #isClosed = false;

  static async connect(port: number): Promise<Peer> {
    const socket = connect(port, "127.0.0.1");
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    return new Peer(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("close", () => (this.#isClosed = true)).on("error", () => undefined);
  }

  /** Lines of the head; what is undefined is left out. */
  request(line: string, headers: Readonly<Record<string, string | undefined>> = {}): void {
    const all = Object.entries({ host: "a", "x-moorline-tenant": "t", ...headers });
    const lines = all.flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}: ${value}`],
    );
    this.send(`${line} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  /** Reads from now on, whatever comes. */
  read(): void {
    this.#socket.on("data", (bytes: Buffer) => (this.#text += bytes.toString("latin1")));
  }

  /** Goes without a word. */
  drop(): void {
    this.#socket.destroy();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get received(): string {
    return this.#text;
  }

  /** The status line of the answer, once there is one. */
  async status(): Promise<string> {
    await until(() => this.#text.includes("\r\n"));
    return this.#text.slice(0, this.#text.indexOf("\r\n"));
  }
}
