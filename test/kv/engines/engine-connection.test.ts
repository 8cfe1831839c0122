import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import {
  ANSWER_LIMIT_BYTES,
  openHttpConnection,
  type EngineConnection,
} from "../../../src/kv/engines/engine-connection.ts";
import { until } from "../../support/until.ts";

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

async function portOf(server: ReturnType<typeof createTcpServer> | Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function serve(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await portOf(server);
  open.push(() => server.close().closeAllConnections());
  return server;
}

/** Answers each connection with these bytes as soon as it has said something, and then nothing more. */
async function serveBytes(bytes: string, then: "stays" | "ends" = "stays"): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.once("data", () => (then === "ends" ? socket.end(bytes) : socket.write(bytes)));
  });
  open.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return portOf(server);
}

function connect(port: number) {
  const events: string[] = [];
  const connection: EngineConnection = openHttpConnection(
    { host: "127.0.0.1", port },
    {
      answered: ({ status, text }) => events.push(`${status} ${text}`),
      lost: (why) => events.push(`lost: ${why}`),
    },
  );
  open.push(() => connection.close());
  /** What was told when this many events were there. */
  const told = async (count: number) => {
    await until(() => events.length >= count);
    return events;
  };
  return { connection, events, told };
}

const portAt = (server: Server) => (server.address() as AddressInfo).port;

describe("a connection to an engine", () => {
  it("carries each question, one after the other, over one socket", async () => {
    const sockets = new Set<number | undefined>();
    const server = await serve((request, response) => {
      sockets.add(request.socket.remotePort);
      response.end(request.url);
    });
    const { connection, told } = connect(portAt(server));
    for (const [at, path] of ["/a", "/b", "/c"].entries()) {
      connection.get(path);
      await told(at + 1);
    }
    expect(await told(3)).toEqual(["200 /a", "200 /b", "200 /c"]);
    expect(sockets.size).toBe(1);
  });

  it("carries questions with a text over the same socket", async () => {
    const sockets = new Set<number | undefined>();
    const server = await serve((request, response) => {
      sockets.add(request.socket.remotePort);
      const { method, headers } = request;
      const told = text(request).then((body) => `${method} ${headers["content-type"]} ${body}`);
      void told.then((line) => response.end(line));
    });
    const { connection, told } = connect(portAt(server));
    connection.get("/a");
    await told(1);
    connection.post("/b", '{"prompt":"é"}');
    expect((await told(2))[1]).toBe('200 POST application/json {"prompt":"é"}');
    expect(sockets.size).toBe(1);
  });

  it("may be asked again as soon as it has answered", async () => {
    const server = await serve((request, response) => response.end(request.url));
    const answers: string[] = [];
    const connection = openHttpConnection(
      { host: "127.0.0.1", port: portAt(server) },
      {
        answered: ({ text }) => {
          if (answers.push(text) < 5) connection.get("/b");
        },
        lost: (why) => answers.push(why),
      },
    );
    open.push(() => connection.close());
    connection.get("/a");
    await until(() => answers.length === 5);
    expect(answers).toEqual(["/a", "/b", "/b", "/b", "/b"]);
  });

  it("tells of its end while nothing is asked", async () => {
    const server = await serve((_, response) => response.end("x"));
    const { connection, told } = connect(portAt(server));
    connection.get("/");
    await told(1);
    server.closeAllConnections();
    expect(await told(2)).toEqual(["200 x", "lost: closed by the engine"]);
  });

  it("is lost with a server that closes idle connections", async () => {
    const server = await serve((_, response) => response.end("x"));
    server.keepAliveTimeout = 1;
    server.keepAliveTimeoutBuffer = 1;
    const { connection, told } = connect(portAt(server));
    connection.get("/");
    expect((await told(2)).at(-1)).toBe("lost: closed by the engine");
  });

  it("is lost, and nothing is answered, where the server keeps none open", async () => {
    const server = await serve((_, response) => {
      response.setHeader("connection", "close");
      response.end("x");
    });
    const { connection, told } = connect(portAt(server));
    connection.get("/");
    expect(await told(1)).toEqual(["lost: 200, and it keeps no connection open"]);
    const old = connect(await serveBytes("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx"));
    old.connection.get("/");
    expect(await old.told(1)).toEqual(["lost: 200, and it keeps no connection open"]);
  });

  it("is lost where nobody listens", async () => {
    const server = await serve(() => {});
    const port = portAt(server);
    await new Promise((resolve) => server.close(resolve));
    const { connection, told } = connect(port);
    connection.get("/");
    expect(await told(1)).toEqual(["lost: ECONNREFUSED"]);
  });

  it("is lost where the answer ends early", async () => {
    const half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    const { connection, told } = connect(await serveBytes(half, "ends"));
    connection.get("/");
    expect(await told(1)).toEqual(["lost: closed by the engine"]);
  });

  it.each([
    ["no HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n"],
    ["binary", "\0\x01\x02\x03\r\n\r\n"],
    ["endless headers", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"],
    ["an upgrade", "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
  ])("is lost where the answer is %s", async (_, bytes) => {
    const { connection, told } = connect(await serveBytes(bytes));
    connection.get("/");
    expect(await told(1)).toEqual([expect.stringMatching(/^lost: /)]);
  });

  it("takes an answer up to its limit, and is lost past it", async () => {
    let bytes = ANSWER_LIMIT_BYTES;
    const server = await serve((_, response) => response.end("x".repeat(bytes)));
    const whole = connect(portAt(server));
    whole.connection.get("/");
    expect((await whole.told(1))[0]).toHaveLength("200 ".length + ANSWER_LIMIT_BYTES);
    bytes++;
    whole.connection.get("/");
    expect((await whole.told(2))[1]).toBe(
      `lost: an answer of more than ${ANSWER_LIMIT_BYTES} bytes`,
    );
  });

  it("is lost past the limit while the answer goes on for ever", async () => {
    const server = await serve((_, response) => {
      const more = () => {
        if (!response.destroyed) response.write("x".repeat(65_536), more);
      };
      more();
    });
    const { connection, told } = connect(portAt(server));
    connection.get("/");
    expect(await told(1)).toEqual([`lost: an answer of more than ${ANSWER_LIMIT_BYTES} bytes`]);
    await until(
      () => new Promise((resolve) => server.getConnections((_, count) => resolve(count === 0))),
    );
  });

  it("that was closed tells nothing more, and leaves no socket", async () => {
    let asked = 0;
    const server = await serve(() => asked++);
    const { connection, events } = connect(portAt(server));
    connection.get("/");
    await until(() => asked === 1);
    connection.close();
    connection.close();
    await until(
      () => new Promise((resolve) => server.getConnections((_, count) => resolve(count === 0))),
    );
    expect(events).toEqual([]);
  });
});
