/** Serves one piece of bytes over HTTP, by ranges only, as a KV service's bytes API does; under another status where a test says so. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface RangeServer extends AsyncDisposable {
  readonly url: string;
  /** `Range` of each request, oldest first. */
  readonly ranges: readonly string[];
}

export async function serveRanges(bytes: Uint8Array, status = 206): Promise<RangeServer> {
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    const range = request.headers.range ?? "";
    ranges.push(range);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    if (first === undefined || Number(first) >= bytes.length) return response.writeHead(416).end();
    return response.writeHead(status).end(bytes.subarray(Number(first), Number(last) + 1));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/segment`,
    ranges,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
