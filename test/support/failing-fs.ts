import * as nodeFs from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

import type { FileSystem } from "../../src/kv/locations/directory-folder.ts";

export interface Failure {
  /** The call that fails, counted from 1 over all functions and all open files. */
  readonly at: number;
  /** `crash`: no call from then on does anything, so nothing is cleaned up either. */
  readonly mode: "once" | "crash";
  readonly errno?: "EIO" | "ENOSPC";
}

export interface TracedFs extends FileSystem {
  /** The name of each call made, in order. */
  readonly trace: readonly string[];
  /** Counts and fails from here on: what was opened with it is open by now. */
  restart(failure: Failure): void;
}

const NONE: Failure = { at: Infinity, mode: "once" };

/** Fails calls before they do anything, except `close`, which closes and then fails, as on Linux. */
export function failingFs(failure = NONE): TracedFs {
  let { at, mode, errno = "EIO" } = failure;
  const trace: string[] = [];
  const attempt: Attempt = async (name, call) => {
    trace.push(name);
    if (mode === "once" ? trace.length !== at : trace.length < at) return call();
    throw Object.assign(new Error(`${errno} at call ${at}`), { code: errno, syscall: "injected" });
  };
  return {
    trace,
    restart: (next) => {
      ({ at, mode, errno = "EIO" } = next);
      trace.length = 0;
    },
    open: async (...args) =>
      failingFile(await attempt("open", () => nodeFs.open(...args)), attempt),
    mkdir: (...args) => attempt("mkdir", () => nodeFs.mkdir(...args)),
    link: (...args) => attempt("link", () => nodeFs.link(...args)),
    unlink: (...args) => attempt("unlink", () => nodeFs.unlink(...args)),
    lstat: (...args) => attempt("lstat", () => nodeFs.lstat(...args)),
    readdir: (...args) => attempt("readdir", () => nodeFs.readdir(...args)),
    statfs: (...args) => attempt("statfs", () => nodeFs.statfs(...args)),
  };
}

type Attempt = <T>(name: string, call: () => Promise<T>) => Promise<T>;

function failingFile(file: FileHandle, attempt: Attempt): FileHandle {
  return new Proxy(file, {
    get(_, key) {
      const value: unknown = Reflect.get(file, key);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        const call = async (): Promise<unknown> => value.apply(file, args);
        if (key !== "close") return attempt(String(key), call);
        await call();
        return attempt("close", () => Promise.resolve());
      };
    },
  });
}
