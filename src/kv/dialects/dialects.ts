/** The dialects by name: the only file that knows all of them. */
import { AppError } from "../../errors.ts";
import type { Dialect, DialectName } from "./dialect.ts";

export interface DialectOptions {
  readonly name: DialectName;
  /** The engine's reports are left in what clients get. */
  readonly exposeKv: boolean;
}

export function createDialect(options: DialectOptions): Dialect {
  throw new AppError("internal", `${options.name} is not there yet`);
}
