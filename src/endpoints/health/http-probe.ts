import { Agent, request, type IncomingMessage } from "node:http";
import type { Probe } from "./active-checks.ts";

/** What a health page may say; past this it is cut off. The status has answered already. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * A GET of `path`; 2xx is well, anything else (redirects too) is a failure named by its status or error code. Each check opens its own connection: that is what a
 * new request would have to do, and a kept one would tell of the past (or fail because the engine closed it while idle).
 */
export function createHttpProbe(path: string): Probe {
  const agent = new Agent({ keepAlive: false });
  return ({ host, port }, signal) =>
    new Promise((resolve) => {
      const headers = { "user-agent": "moorline-health" };
      const call = request({ host, port, path, agent, signal, headers }, (response) => {
        const status = response.statusCode ?? 0;
        const answer = `${status} from GET ${path}`;
        drain(response, (ended) => {
          if (!ended) resolve(`${answer}, cut off`);
          else resolve(Math.floor(status / 100) === 2 ? undefined : answer);
        });
      });
      call.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      call.end();
    });
}

/** Reads to the end, so that the endpoint sees a clean close and not a reset. `done(false)`: cut off by an error or abort. */
function drain(response: IncomingMessage, done: (ended: boolean) => void): void {
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) return;
    done(true);
    response.destroy();
  });
  response.on("end", () => done(true));
  response.on("error", () => done(false));
  response.on("close", () => done(false));
}
