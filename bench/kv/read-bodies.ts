/**
 * Reads bodies over one connection and throws them away, one request after the other: `read-bodies.ts JSON` with the port, the
 * requests' heads and the bytes that each body must have. Prints the seconds from the first request to the last byte. A process of
 * its own, with one buffer that is used again, so that it takes less of the machine than any server that it measures.
 */
import { connect } from "node:net";

export interface ReadJob {
  readonly port: number;
  /** As they are sent. */
  readonly heads: readonly string[];
  readonly bodyBytes: number;
}

const BUFFER_BYTES = 1024 * 1024;
const HEAD_END = "\r\n\r\n";

function readAll({ port, heads, bodyBytes }: ReadJob): Promise<number> {
  return new Promise((resolve, reject) => {
    let [next, missing, head, startedMs] = [0, 0, "", 0];
    const ask = () => {
      const request = heads[next++];
      if (request !== undefined) return void socket.write(request);
      resolve((performance.now() - startedMs) / 1_000);
      socket.destroy();
    };
    const take = (length: number, buffer: Uint8Array): boolean => {
      if (missing > 0) missing -= length;
      else {
        head += Buffer.from(buffer.subarray(0, length)).toString("latin1");
        const end = head.indexOf(HEAD_END);
        if (end === -1) return true;
        assertAnswer(head.slice(0, end), bodyBytes);
        missing = bodyBytes - (head.length - end - HEAD_END.length);
        head = "";
      }
      if (missing < 0) reject(new Error(`${-missing} bytes too many`));
      if (missing === 0) ask();
      return true;
    };
    const onread = { buffer: Buffer.alloc(BUFFER_BYTES), callback: take };
    const socket = connect({ port, host: "127.0.0.1", onread }, () => {
      startedMs = performance.now();
      ask();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed, ${missing} bytes too early`)));
  });
}

function assertAnswer(head: string, bodyBytes: number): void {
  const isGood = /^HTTP\/1\.1 20[06] /.test(head);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
  if (!isGood || length !== bodyBytes) throw new Error(`not ${bodyBytes} bytes: ${head}`);
}

console.log(await readAll(JSON.parse(process.argv[2] ?? "") as ReadJob));
