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
  const error = systemErrorOf(reason);
  return error === undefined ? undefined : faultOf(error.code);
}

/**
 * Runs the task and answers with its fault, if it ends in one. `subject` is what the message is about. The system's own error is
 * left behind, since its text has the path.
 */
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
  const error = systemErrorOf(reason);
  if (error === undefined) throw reason;
  const code = faultOf(error.code);
  return new LocationFault(code, `${subject}: ${code} (${error.code} of ${error.call})`);
}

export function absent(): never {
  throw new LocationFault("not_found", "there is no such object");
}

/** Where an absent object is an answer and no fault. Its root was there, or the fault would be another. */
export function unlessAbsent<T, A>(answer: A, result: T | LocationFault): T | A | LocationFault {
  return result instanceof LocationFault && result.code === "not_found" ? answer : result;
}

/** Carries an error of a caller's source past the code that takes errors for the file system's: a socket has errnos too. */
export class SourceFailure extends Error {}

function faultOf(errno: string): FaultCode {
  return FAULT_OF[errno] ?? "io";
}

interface SystemError {
  readonly code: string;
  readonly call: string;
}

function systemErrorOf(reason: unknown): SystemError | undefined {
  if (!(reason instanceof Error) || !("syscall" in reason) || !("code" in reason)) return undefined;
  const { code, syscall } = reason;
  return typeof code === "string" ? { code, call: String(syscall) } : undefined;
}
