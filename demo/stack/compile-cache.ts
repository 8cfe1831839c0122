/**
 * Where Node keeps what it has compiled of this repository, types stripped, for the next process of its programs: tests and demos start
 * hundreds. By content, so nothing has to be cleared: https://nodejs.org/api/module.html#module-compile-cache.
 */
import { resolve } from "node:path";

/** Of a process's environment. */
export const compileCache = {
  NODE_COMPILE_CACHE: resolve(import.meta.dirname, "..", "..", ".cache", "compiled"),
};
