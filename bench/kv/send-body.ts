/**
 * Sends one body: `send-body.ts JSON` with the port, the request's head and the body's length, in whole blocks. Prints the seconds
 * from the first byte to the answer, which must be a 201.
 */
import { connect } from "node:net";
import { BLOCK_BYTES, bodyBlock } from "./body.ts";

export interface SendJob {
  readonly port: number;
  /** As it is sent. */
  readonly head: string;
  readonly bodyBytes: number;
}

/** An answer may come before the body is sent, and is then an error whatever becomes of the rest. */
function send({ port, head, bodyBytes }: SendJob): Promise<number> {
  const block = bodyBlock();
  return new Promise((resolve, reject) => {
    let [sent, startedMs] = [0, 0];
    const more = () => {
      while (sent < bodyBytes) {
        sent += BLOCK_BYTES;
        if (!socket.write(block)) return;
      }
    };
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      startedMs = performance.now();
      socket.write(head);
      more();
    });
    socket.on("drain", more);
    socket.on("error", reject);
    socket.once("data", (answer) => {
      const text = answer.toString("latin1");
      if (text.startsWith("HTTP/1.1 201 ")) resolve((performance.now() - startedMs) / 1_000);
      else reject(new Error(`not taken: ${text}`));
      socket.destroy();
    });
  });
}

console.log(await send(JSON.parse(process.argv[2] ?? "") as SendJob));
