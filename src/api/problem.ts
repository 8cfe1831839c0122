/** Errors of the KV API, as problem documents (RFC 9457). Clients branch on `code`; `detail` names the field, the value and the limit. */
export type ProblemCode =
  | "request_invalid"
  | "unauthorized"
  | "url_expired" // a signed URL that was good until its time
  | "not_found" // no such thing, or not the caller's
  | "bytes_lost" // the segment was there, and its bytes are not any more
  | "segment_not_writable" // it is not reserved, its turn is over, or somebody else writes it
  | "geometry_unknown" // no configured model profile says how the segment's bytes lie
  | "length_required"
  | "precondition_failed"
  | "range_not_satisfiable"
  | "bytes_mismatch" // length or CRC-32 are not as announced
  | "busy" // a limit of what may be under way at once; try again
  | "store_failed"; // the location failed; try again

export const PROBLEM_STATUS = {
  request_invalid: 400,
  unauthorized: 401,
  url_expired: 403,
  not_found: 404,
  bytes_lost: 404,
  segment_not_writable: 409,
  geometry_unknown: 409,
  length_required: 411,
  precondition_failed: 412,
  range_not_satisfiable: 416,
  bytes_mismatch: 422,
  busy: 503,
  store_failed: 503,
} as const satisfies Record<ProblemCode, number>;

/** Thrown by handlers; the server's error handler writes it. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly code: ProblemCode;
  /** Sent with the document. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return PROBLEM_STATUS[this.code];
  }
}
