/**
 * What our HTTP APIs answer in place of what was asked for: a problem document (RFC 9457). Clients branch on `code`; docs/errors.md
 * lists them all, with what to do.
 */
export const PROBLEMS = {
  request_invalid: { status: 400, title: "The request breaks a rule" },
  unauthorized: { status: 401, title: "A valid token is required" },
  tenant_forbidden: { status: 403, title: "The token is another tenant's" },
  url_expired: { status: 403, title: "The signed URL was good until its time" },
  not_found: { status: 404, title: "No such thing" },
  pool_unknown: { status: 404, title: "No such pool" },
  session_unknown: { status: 404, title: "The session has no binding" },
  bytes_lost: { status: 404, title: "The segment's bytes are gone" },
  session_exists: { status: 409, title: "The session exists already" },
  prefix_exists: { status: 409, title: "The prefix exists already" },
  turn_over: { status: 409, title: "No such turn, or not any more" },
  turn_reported: { status: 409, title: "The turn was committed already" },
  turn_mismatch: { status: 409, title: "The turn was planned for another prompt" },
  segment_not_writable: { status: 409, title: "The segment takes no bytes" },
  geometry_unknown: { status: 409, title: "The layout of the bytes is not configured" },
  location_unknown: { status: 409, title: "The location is not configured" },
  quota_exceeded: { status: 409, title: "The tenant's quota is used up" },
  nothing_stored: { status: 409, title: "There is nothing to share yet" },
  limit_reached: { status: 409, title: "The session can hold no more" },
  length_required: { status: 411, title: "The length of the body is required" },
  precondition_failed: { status: 412, title: "A precondition does not hold" },
  body_too_large: { status: 413, title: "The body is too large" },
  media_type_unsupported: { status: 415, title: "The body is of another type" },
  range_not_satisfiable: { status: 416, title: "There are no such bytes" },
  bytes_mismatch: { status: 422, title: "The bytes are not as announced" },
  internal: { status: 500, title: "A fault of Moorline" },
  busy: { status: 503, title: "Too much is under way" },
  store_failed: { status: 503, title: "The location failed" },
  timed_out: { status: 503, title: "No answer in time" },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly title: string }>>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One rule that the request breaks. */
export interface FieldProblem {
  /** `ids[3]` in a body; elsewhere with the place first: `path.id`, `query.limit`, `header.x-moorline-tenant`. */
  readonly field: string;
  readonly message: string;
  /** As it was sent, shortened; absent where nothing was. */
  readonly value?: string;
  readonly limit: string;
}

export interface ProblemDocument {
  readonly type: `urn:moorline:problem:${ProblemCode}`;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly errors?: readonly FieldProblem[];
}

export const PROBLEM_MEDIA_TYPE = "application/problem+json";

/** Thrown by handlers; the server's error handler writes it. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  /** Sent with the document. */
  readonly headers: Readonly<Record<string, string>>;
  #errors: readonly FieldProblem[] = [];

  /** `detail`: for people; nothing in it may be a secret. */
  constructor(code: ProblemCode, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.code = code;
    this.headers = headers;
  }

  /** `request_invalid` for these fields: at least one. */
  static ofFields(errors: readonly FieldProblem[]): Problem {
    const detail = errors.map(({ message }) => message).join("; ");
    const problem = new Problem("request_invalid", detail);
    problem.#errors = errors;
    return problem;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  get document(): ProblemDocument {
    const { code, message: detail } = this;
    const errors = this.#errors.length === 0 ? {} : { errors: this.#errors };
    return { type: `urn:moorline:problem:${code}`, ...PROBLEMS[code], detail, code, ...errors };
  }
}
