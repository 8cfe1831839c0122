/**
 * Endpoints that cost next to nothing, so that the benchmark measures the way to them: any complete request head gets the same
 * 200, with the endpoint's number in it. Run as a process: `upstream.ts COUNT` prints `listening PORT,PORT,...`.
 */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/** Resolves to the port of endpoint `number`. Requests have no body, and Envoy sends one at a time on a connection. */
async function listen(number: number): Promise<number> {
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-upstream: ${number}\r\ncontent-length: 2\r\n\r\n{}`,
  );
  const server = createServer((socket) => {
    let head: Buffer | undefined;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      head = head === undefined ? chunk : Buffer.concat([head, chunk]);
      if (!head.subarray(-HEAD_END.length).equals(HEAD_END)) return;
      head = undefined;
      socket.write(answer);
    });
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const ports = await Promise.all(
  Array.from({ length: Number(process.argv[2]) }, (_, number) => listen(number)),
);
console.log(`listening ${ports.join(",")}`);
