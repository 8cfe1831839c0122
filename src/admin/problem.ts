/**
 * Errors of the admin API. On the wire each is `{"error":{"code","message"}}`; clients branch on `code`.
 */
export type AdminErrorCode =
  | "request_invalid" // a parameter, or the HTTP request itself, breaks a rule; the message names it and the limit
  | "unauthorized" // the bearer token is missing or wrong
  | "not_found" // no such route
  | "pool_unknown" // no pool of that name
  | "session_unknown" // the session has no binding in that pool
  | "timed_out" // the answer took too long, as a slow store may
  | "internal"; // a bug of ours; its text is in the log only

/** docs/admin.md lists them. */
export const ADMIN_STATUS = {
  request_invalid: 400,
  unauthorized: 401,
  not_found: 404,
  pool_unknown: 404,
  session_unknown: 404,
  timed_out: 503,
  internal: 500,
} as const satisfies Record<AdminErrorCode, number>;

/** Thrown by handlers; the server's error handler writes it. */
export class AdminProblem extends Error {
  override readonly name = "AdminProblem";
  readonly code: AdminErrorCode;

  constructor(code: AdminErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  get status(): number {
    return ADMIN_STATUS[this.code];
  }

  get body(): { readonly error: { readonly code: AdminErrorCode; readonly message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}
