import { Agent, request } from "node:http";
import type { CloseSession } from "./session-closer.ts";

/** Less than what servers wait on an idle connection, so that hardly a request meets one that is being closed. */
const IDLE_MS = 1_000;
/** The engine has answered by its status: what else it says is not read past this. */
const ANSWER_LIMIT_BYTES = 64 * 1024;

/** SGLang's `POST /close_session`. */
export function createHttpCloseSession(): CloseSession {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: IDLE_MS });
  return ({ host, port }, engineSession, signal) =>
    new Promise((resolve) => {
      const body = JSON.stringify({ session_id: engineSession });
      const headers = {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "user-agent": "moorline-kv",
      };
      const path = "/close_session";
      const call = request({ host, port, path, method: "POST", agent, signal, headers });
      call.on("error", () => resolve(false));
      call.on("response", (response) => {
        const isClosed = Math.floor((response.statusCode ?? 0) / 100) === 2;
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_LIMIT_BYTES) response.destroy();
        });
        response.on("error", () => resolve(false));
        response.on("close", () => resolve(isClosed));
      });
      call.end(body);
    });
}
