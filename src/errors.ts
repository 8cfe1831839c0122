/**
 * The one error class of the project. Callers branch on `code`; `message` is for people and names the field, the value and
 * the limit. Expected outcomes (a miss, a refusal) are values, not errors: an AppError means that a promise was broken or
 * that an input from an operator (config, endpoints file, TLS files) cannot be used.
 */
export type ErrorCode =
  | "config_invalid" // the configuration file cannot be used; the message lists every problem
  | "endpoints_invalid" // an endpoints file cannot be used; the last good one stays
  | "tls_invalid" // a certificate, key or CA file cannot be used; the last good one stays
  | "catalog_invalid" // the catalog's file is damaged, not one, or a later program's; nothing was changed
  | "listen_failed" // an address cannot be listened on
  | "wire_invalid" // bytes that are not the protobuf message that they should be
  | "envoy_unsuited" // Envoy is set up in a way that cannot work with what the configuration asks for
  | "internal"; // a bug of ours; its text stays in the log and never goes on the wire

export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** Anything caught becomes an AppError; what is not one already is `internal`, with the original as its cause. */
  static from(reason: unknown): AppError {
    if (reason instanceof AppError) return reason;
    const text = reason instanceof Error ? reason.message : String(reason);
    return new AppError("internal", text, { cause: reason });
  }
}
