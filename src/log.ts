/**
 * Logs: one JSON object per line on standard output, which container runtimes and systemd collect as they are. Standard error is
 * left to the command line's own complaints, before there is a log.
 *
 * Writing is asynchronous, so a slow reader never blocks the event loop; beyond the buffer's limit lines are dropped.
 */
import { createHash } from "node:crypto";
import pino from "pino";

const BUFFER_LIMIT_BYTES = 8 * 1024 * 1024;

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** `error` is written with its type, message, stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What every part logs to. Never throws, never waits. */
export interface Logger {
  /** Ask before building fields on a hot path: a decision that is not logged then costs one property read. */
  readonly isDebug: boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A session id as it may be written: hashed, unless the operator asked for plain ids. */
  sessionId(id: string): string;
  /** A logger whose lines name their part of the program. */
  part(name: string): Logger;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly sessionIds: "hash" | "plain";
}

/** Where lines go. */
export interface LogSink {
  write(line: string): void;
}

export function createLogger(options: LogOptions, sink: LogSink = standardOutput()): Logger {
  const { level, sessionIds } = options;
  const base = null; // no pid, no host name: the collector knows them
  const serializers = { error: pino.stdSerializers.errWithCause };
  const formatters = { level: (label: string) => ({ level: label }) };
  const timestamp = pino.stdTimeFunctions.isoTime;
  const root = pino({ level, base, serializers, formatters, timestamp }, sink);
  return wrap(root, sessionIds === "plain" ? (id) => id : hashSessionId);
}

/**
 * The first 16 hex digits of SHA-256. Unsalted, so that lines of all replicas can be joined; ids are therefore hidden from
 * readers of the log, not from somebody who can guess them.
 */
export function hashSessionId(id: string): string {
  return createHash("sha256").update(id).digest("hex").slice(0, 16);
}

function wrap(log: pino.Logger, sessionId: (id: string) => string): Logger {
  return {
    isDebug: log.isLevelEnabled("debug"),
    debug: (message, fields) => log.debug(fields, message),
    info: (message, fields) => log.info(fields, message),
    warn: (message, fields) => log.warn(fields, message),
    error: (message, fields) => log.error(fields, message),
    sessionId,
    part: (name) => wrap(log.child({ part: name }), sessionId),
  };
}

function standardOutput(): LogSink {
  return pino.destination({ fd: 1, sync: false, maxLength: BUFFER_LIMIT_BYTES });
}
