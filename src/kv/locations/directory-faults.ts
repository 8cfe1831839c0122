/** What the file system's errors mean to a caller of the port. */
import { LocationFault } from "../location.ts";
import type { FaultCode } from "../location.ts";

const FAULT_OF: Readonly<Record<string, FaultCode>> = {
  ENOENT: "not_found",
  EEXIST: "exists",
  ENOSPC: "no_space",
  EDQUOT: "no_space",
  EFBIG: "no_space", // a file size limit, of the process or of the file system
  ELOOP: "not_ours", // a link, and O_NOFOLLOW
  ENOTDIR: "not_ours", // a file, or a link, where a folder should be
  EISDIR: "not_ours",
  ENXIO: "not_ours", // a pipe or a socket
};

/** Undefined for what is neither a fault nor an error of the file system. */
export function faultCode(reason: unknown): FaultCode | undefined {
  if (reason instanceof LocationFault) return reason.code;
  const errno = errnoOf(reason);
  return errno === undefined ? undefined : (FAULT_OF[errno] ?? "io");
}

/** Runs the task and answers with its fault, if it ends in one. `subject` is what the message is about. */
export async function faultsAsValues<T>(
  subject: string,
  task: () => Promise<T>,
): Promise<T | LocationFault> {
  try {
    return await task();
  } catch (reason) {
    return asFault(subject, reason);
  }
}

/** Throws what is no fault: a bug, or what a caller's own source threw. */
export function asFault(subject: string, reason: unknown): LocationFault {
  if (reason instanceof LocationFault) return reason;
  if (reason instanceof SourceFailure) throw reason.cause;
  const code = faultCode(reason);
  if (code === undefined) throw reason;
  return new LocationFault(code, `${subject}: ${code} (${errnoOf(reason)})`, { cause: reason });
}

/** Carries an error of a caller's source past the code that takes errors for the file system's: a socket has errnos too. */
export class SourceFailure extends Error {}

function errnoOf(reason: unknown): string | undefined {
  if (!(reason instanceof Error) || !("syscall" in reason) || !("code" in reason)) return undefined;
  return typeof reason.code === "string" ? reason.code : undefined;
}
