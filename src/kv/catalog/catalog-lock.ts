/**
 * One process at a time has a catalog: two services would unlink each other's files, and a repair would mend what is not broken.
 *
 * The lock is a listening socket in the catalog's folder. Who finds one there knocks: an answer is the pid of who holds it; nobody
 * listens means that the holder has ended, however it did. Its successor takes the next number, `moorline.lock.1`, `.2` and so on,
 * which a link gives to one of many, and then removes what is below. The highest one stays when its holder ends: were it removed,
 * who saw it dead a while ago could take the number beside somebody who began again from 1.
 *
 * Rejected: a file with a pid, which after a crash in a container is some other process, often the one that asks, and which a
 * second container cannot judge. The lock does not reach over hosts, and neither does the catalog.
 */
import { constants } from "node:fs";
import { link, mkdir, open, readdir, unlink } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { pid } from "node:process";

const LOCK = "moorline.lock";
/** For a holder that is there and busy. */
const KNOCK_MS = 5_000;

export interface LockOptions {
  /** The catalog's folder; it is made where it is missing. */
  readonly path: string;
  /** Never the same twice: up to 40 letters, digits, `_` and `-`. */
  readonly newName: () => string;
}

export type LockOutcome =
  | { readonly kind: "locked"; readonly lock: CatalogLock }
  /** By the process with that pid, in its own container; undefined where it did not say. */
  | { readonly kind: "held"; readonly by: number | undefined };

export interface CatalogLock {
  /** Idempotent. */
  close(): Promise<void>;
}

export async function lockCatalog({ path, newName }: LockOptions): Promise<LockOutcome> {
  await mkdir(path, { recursive: true });
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  // A socket's path has at most 107 bytes.
  const at = process.platform === "linux" ? `/proc/self/fd/${folder.fd}` : path;
  const own = join(at, `${LOCK}-${newName()}`);
  try {
    const server = await listen(own);
    try {
      const holder = await takeLock(at, own);
      if (holder === undefined) return { kind: "locked", lock: lockOf(server) };
      await closed(server);
      return { kind: "held", by: holder.pid };
    } finally {
      await unless("ENOENT", unlink(own));
    }
  } finally {
    await folder.close();
  }
}

interface Holder {
  readonly pid: number | undefined;
}

/** Gives our socket the number after the highest, unless somebody listens there. */
async function takeLock(folder: string, own: string): Promise<Holder | undefined> {
  for (;;) {
    const numbers = await numbersIn(folder);
    const highest = Math.max(0, ...numbers);
    const holder = highest === 0 ? undefined : await knock(pathOf(folder, highest));
    if (holder !== undefined) return holder;
    const taken = pathOf(folder, highest + 1);
    if (!(await unless("EEXIST", link(own, taken)))) continue;
    const others = await numbersIn(folder);
    if (Math.max(...others) === highest + 1) {
      for (const number of numbers) await unless("ENOENT", unlink(pathOf(folder, number)));
      return undefined;
    }
    // It was free because a later holder had removed it.
    await unless("ENOENT", unlink(taken));
  }
}

async function numbersIn(folder: string): Promise<number[]> {
  const entries = await readdir(folder);
  return entries
    .filter((entry) => entry.startsWith(`${LOCK}.`))
    .map((entry) => Number(entry.slice(LOCK.length + 1)))
    .filter((number) => Number.isSafeInteger(number));
}

function pathOf(folder: string, number: number): string {
  return join(folder, `${LOCK}.${number}`);
}

/** Undefined when nobody listens there any more. */
function knock(path: string): Promise<Holder | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = "";
    socket.setTimeout(KNOCK_MS, () => socket.destroy());
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (text += chunk));
    // Any other error, such as a full queue, is of somebody who is there.
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED" || code === "ENOENT") resolve(undefined);
    });
    socket.on("close", () => resolve({ pid: Number(text) || undefined }));
  });
}

function listen(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(String(pid));
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function lockOf(server: Server): CatalogLock {
  let closing: Promise<void> | undefined;
  return { close: () => (closing ??= closed(server)) };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** False if the call fails with this code. */
async function unless(code: string, call: Promise<void>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && reason.code === code) return false;
    throw reason;
  }
}
