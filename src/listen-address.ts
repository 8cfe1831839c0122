/**
 * Addresses that the program listens on, as operators know them: how they are written, and why one cannot be had.
 */
import { formatAddress } from "./endpoints/endpoint.ts";
import { AppError } from "./errors.ts";
import type { ListenAddress } from "./extproc/transport.ts";

/** As in the configuration: `127.0.0.1:9002`, `[::1]:9002`, `unix:/run/moorline.sock`. */
export function formatListenAddress(address: ListenAddress): string {
  return address.kind === "unix"
    ? `unix:${address.path}`
    : formatAddress(address.host, address.port);
}

/** `listen_failed`: the address, then what is wrong with it. */
export function listenFailed(address: ListenAddress, cause: unknown): AppError {
  const text = `${formatListenAddress(address)} ${describe(address, cause)}`;
  return new AppError("listen_failed", text, { cause });
}

/** Puts the key of the configuration before what `listening` rejects with. */
export async function underKey<T>(key: string, listening: Promise<T>): Promise<T> {
  try {
    return await listening;
  } catch (cause) {
    const { code, message } = AppError.from(cause);
    throw new AppError(code, `${key} ${message}`, { cause });
  }
}

function describe({ kind }: ListenAddress, cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return "is taken: another process listens there";
    case "EADDRNOTAVAIL":
      return "is no address of this machine";
    case "EACCES":
      // Of a Unix socket Node says this also where the folder does not exist.
      return kind === "unix"
        ? "cannot be created: its folder does not exist, or may not be written to"
        : "is not allowed to this process (ports below 1024 need CAP_NET_BIND_SERVICE)";
    default:
      return `cannot be listened on: ${AppError.from(cause).message}`;
  }
}
