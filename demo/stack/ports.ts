import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below those that Linux, and others, give to whoever asks for any, for a server or for a connection: one of these would now and then be
 * somebody else's by the time that our process listens there.
 */
const FIRST = 10_240;
const COUNT = 32_768 - FIRST;
/** So far apart begin those of two processes that were started one after the other. */
const STEP = 64;

let given = 0;

/**
 * A loopback port that is free, for a process that must be told its port: the preferred one if it can be. Of the others this process gets
 * each once until all were given.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (let tried = 0; tried < COUNT; tried++) {
    const port = FIRST + ((process.pid * STEP + given++) % COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${FIRST} to ${FIRST + COUNT - 1} is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
