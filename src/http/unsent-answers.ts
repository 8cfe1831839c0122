/**
 * Lets clients take the answers that they have begun to take when the server closes.
 *
 * Node counts a connection as idle from the moment its answer was ended, though much of it may not have left the process, and
 * closing the server destroys what is idle: a slow reader of a long answer saw it cut off. So idle connections are closed when
 * nothing waits to be sent. Rejected: to wait before the server closes, since it would take new connections meanwhile.
 */
import type { FastifyInstance } from "fastify";
import type { ServerResponse } from "node:http";

/** Who takes nothing for `idleMs` is cut, as at any other time. */
export function keepUnsentAnswers(server: FastifyInstance, idleMs: number): void {
  const answers = new Set<ServerResponse>();
  server.addHook("onRequest", (_request, { raw }, done) => {
    answers.add(raw);
    raw.once("close", () => answers.delete(raw));
    done();
  });
  const { server: http } = server;
  const closeIdle = http.closeIdleConnections.bind(http);
  const closeWhenSent = (): void => {
    const unsent = [...answers].filter(isUnsent);
    if (unsent.length === 0) return closeIdle();
    for (const { socket } of unsent) socket?.setTimeout(idleMs);
    void Promise.all(unsent.map(closed)).then(closeWhenSent);
  };
  http.closeIdleConnections = closeWhenSent;
}

function isUnsent({ writableEnded, writableFinished }: ServerResponse): boolean {
  return writableEnded && !writableFinished;
}

function closed(answer: ServerResponse): Promise<void> {
  return new Promise((resolve) => answer.once("close", resolve));
}
