/**
 * What a request says about itself, as far as routing needs it: session id, tenant, model. Headers are read when they come; the
 * body is read only where they leave something open, on routes where a body may be asked for.
 */
import { JsonFields, scanJsonFieldsInSlices } from "../json/json-fields.ts";
import { compileFieldPaths, type FieldPaths } from "../json/json-paths.ts";
import { atOnce, type Slices } from "../json/slices.ts";
import {
  createSessionKeyReader,
  MODEL_LIMIT_BYTES,
  parseField,
  SESSION_ID_LIMIT_BYTES,
  TENANT_LIMIT_BYTES,
  type SessionKeyReader,
  type SessionSources,
  type Unusable,
} from "../affinity/session-key.ts";
import { parseSubsetHint, type SubsetHint } from "../affinity/subset.ts";
import { HeaderNames } from "./header-names.ts";
import type { ProcessingMessage } from "./message.ts";
import type { Refusal, RefusalCode } from "./refusal.ts";

export interface RequestReaderOptions {
  readonly sources: SessionSources;
  readonly tenantHeader: string | null;
  /** With several pools: the header that names the model; null or absent in a request: the body's `model`. */
  readonly modelHeader: string | null;
  /** Whether a request must name a model at all: there are several pools. */
  readonly needsModel: boolean;
  /** Exact paths, without the query, on which the body of a POST may be asked for. */
  readonly bodyPaths: readonly string[];
  readonly bodyLimitBytes: number;
  /** Hears of each unusable session id that was passed over, by source. */
  readonly onSkipped: (source: string) => void;
}

/** Why a body cannot be read; undefined: it can be, or there is nothing wrong with it. */
export type BodyObstacle = "body_encoded" | "body_too_large" | "body_invalid" | "body_budget_full";

export interface RequestFacts {
  /** undefined: not known yet, or the client named none. */
  sessionId: string | undefined;
  /** Where the id came from; `minted` until one is found. */
  source: "headers" | "body" | "minted";
  readonly tenant: string;
  model: string | undefined;
  /** The body names a model that is not 1 to 256 visible ASCII characters. */
  isModelUnusable: boolean;
  readonly subset: SubsetHint | undefined;
  /** The path before the query. */
  readonly path: string;
  bodyObstacle: BodyObstacle | undefined;
}

/** What the headers say that matters to a pool with KV alone. */
export interface TurnHeaders {
  /** With the query, as the client sent it. */
  readonly rawPath: string;
  /** Of the body; undefined where none is announced. */
  readonly lengthBytes: number | undefined;
  /** The body has a content-encoding. */
  readonly isEncoded: boolean;
  /** It asks for another protocol, as WebSockets do: what follows is no body, and has no end. */
  readonly isUpgrade: boolean;
  readonly retentionClass: string | undefined;
  readonly isFinal: boolean;
  /** Of another session of the same tenant, of which a turn is to come. */
  readonly prefetch: string | undefined;
  /** The client asks for `KV_STATUS_HEADER` in the response. */
  readonly wantsStatus: boolean;
}

/** Asked for by any value in the request; in the response it says what was reused, or why nothing was. */
export const KV_STATUS_HEADER = "x-moorline-kv";
/** Names the retention class of a session that begins with this request. */
export const KV_CLASS_HEADER = "x-moorline-class";
/** `true` or `1`: the session is over with this request. */
export const KV_FINAL_HEADER = "x-session-final";

/** A session whose KV is to be brought near, before its own request is there. */
export const KV_PREFETCH_HEADER = "x-moorline-prefetch";

const PREFETCH_RULE = { field: KV_PREFETCH_HEADER, limitBytes: SESSION_ID_LIMIT_BYTES };

const MODEL_FIELD = "model";

export class RequestReader {
  readonly wantedHeaders: HeaderNames;
  readonly #options: RequestReaderOptions;
  readonly #keys: SessionKeyReader;
  readonly #bodyPaths: ReadonlySet<string>;
  readonly #fields: FieldPaths;
  readonly #at: Readonly<
    Record<
      | "path"
      | "method"
      | "length"
      | "encoding"
      | "upgrade"
      | "type"
      | "cookie"
      | "kvStatus"
      | "kvClass"
      | "kvFinal"
      | "kvPrefetch",
      number
    >
  >;
  readonly #tenantAt: number;
  readonly #modelAt: number;

  constructor(options: RequestReaderOptions) {
    this.#options = options;
    this.#keys = createSessionKeyReader(options.sources, options.onSkipped);
    this.#bodyPaths = new Set(options.bodyPaths);
    // The session headers come first, so that the collected values line up with them.
    const names = [
      ...new Set([
        ...options.sources.headers,
        ":path",
        ":method",
        "content-length",
        "content-encoding",
        "upgrade",
        "content-type",
        "cookie",
        KV_STATUS_HEADER,
        KV_CLASS_HEADER,
        KV_FINAL_HEADER,
        KV_PREFETCH_HEADER,
        ...(options.tenantHeader === null ? [] : [options.tenantHeader]),
        ...(options.modelHeader === null ? [] : [options.modelHeader]),
      ]),
    ];
    this.wantedHeaders = new HeaderNames(names);
    this.#at = {
      path: names.indexOf(":path"),
      method: names.indexOf(":method"),
      length: names.indexOf("content-length"),
      encoding: names.indexOf("content-encoding"),
      upgrade: names.indexOf("upgrade"),
      type: names.indexOf("content-type"),
      cookie: names.indexOf("cookie"),
      kvStatus: names.indexOf(KV_STATUS_HEADER),
      kvClass: names.indexOf(KV_CLASS_HEADER),
      kvFinal: names.indexOf(KV_FINAL_HEADER),
      kvPrefetch: names.indexOf(KV_PREFETCH_HEADER),
    };
    this.#tenantAt = options.tenantHeader === null ? -1 : names.indexOf(options.tenantHeader);
    this.#modelAt = options.modelHeader === null ? -1 : names.indexOf(options.modelHeader);
    this.#fields = compileFieldPaths([...options.sources.bodyFields, MODEL_FIELD]);
  }

  readHeaders(message: ProcessingMessage): RequestFacts | Refusal {
    const values = message.headers;
    const sessionId = this.#keys.fromHeaders(values, values[this.#at.cookie]);
    if (typeof sessionId === "object") return unusable("session_id_invalid", sessionId);
    const tenant = this.#headerField(
      values[this.#tenantAt],
      this.#options.tenantHeader,
      TENANT_LIMIT_BYTES,
    );
    if (typeof tenant === "object") return { ...unusable("tenant_invalid", tenant), sessionId };
    const model = this.#headerField(
      values[this.#modelAt],
      this.#options.modelHeader,
      MODEL_LIMIT_BYTES,
    );
    if (typeof model === "object") return { ...unusable("model_invalid", model), sessionId };
    return {
      sessionId,
      source: sessionId === undefined ? "minted" : "headers",
      tenant: tenant ?? "",
      model,
      isModelUnusable: false,
      subset: message.subset === undefined ? undefined : parseSubsetHint(message.subset),
      path: withoutQuery(values[this.#at.path] ?? ""),
      bodyObstacle: undefined,
    };
  }

  /**
   * How many bytes of body have to be waited for before the request can be routed as the client means it: the announced length,
   * or the limit where none is announced. undefined: none. A body that is there and cannot be read is not waited for, and
   * leaves its reason in `facts.bodyObstacle`.
   */
  bytesToWaitFor(facts: RequestFacts, message: ProcessingMessage): number | undefined {
    if (message.endOfStream) return undefined;
    const wantsId = facts.sessionId === undefined && this.#options.sources.bodyFields.length > 0;
    const wantsModel = facts.model === undefined && this.#options.needsModel;
    if (!(wantsId || wantsModel) || !this.#bodyPaths.has(facts.path)) return undefined;
    const values = message.headers;
    // A WebSocket is a GET whose stream stays open: Envoy would wait for the end of its body for ever.
    if (values[this.#at.method] !== "POST") return undefined;
    const type = values[this.#at.type] ?? "application/json";
    const { bodyLimitBytes } = this.#options;
    const announced = Number(values[this.#at.length] ?? bodyLimitBytes);
    if (this.#isEncoded(values)) facts.bodyObstacle = "body_encoded";
    else if (!type.toLowerCase().includes("json")) facts.bodyObstacle = "body_invalid";
    else if (announced > bodyLimitBytes) facts.bodyObstacle = "body_too_large";
    else return announced >= 0 ? announced : bodyLimitBytes; // not NaN
    return undefined;
  }

  readTurnHeaders({ headers: values }: ProcessingMessage): TurnHeaders {
    const length = Number(values[this.#at.length]);
    const isFinal = values[this.#at.kvFinal]?.trim().toLowerCase();
    const prefetch = parseField(values[this.#at.kvPrefetch], PREFETCH_RULE);
    return {
      rawPath: values[this.#at.path] ?? "",
      lengthBytes: length >= 0 ? length : undefined, // not NaN
      isEncoded: this.#isEncoded(values),
      isUpgrade: values[this.#at.upgrade] !== undefined || values[this.#at.method] === "CONNECT",
      retentionClass: values[this.#at.kvClass]?.trim() || undefined,
      isFinal: isFinal === "true" || isFinal === "1",
      prefetch: typeof prefetch === "string" ? prefetch : undefined,
      wantsStatus: values[this.#at.kvStatus] !== undefined,
    };
  }

  /** Adds what the body says to what the headers left open. */
  readBody(facts: RequestFacts, body: Uint8Array): void {
    atOnce(this.readBodyInSlices(facts, body));
  }

  *readBodyInSlices(
    facts: RequestFacts,
    body: Uint8Array,
    limitBytes = this.#options.bodyLimitBytes,
  ): Slices<void> {
    if (body.byteLength > limitBytes) {
      facts.bodyObstacle = "body_too_large";
      return;
    }
    const scan = yield* scanJsonFieldsInSlices(body, this.#fields);
    if (scan.kind === "unreadable") facts.bodyObstacle = "body_invalid";
    else this.#takeValues(facts, scan.values);
  }

  /** For whoever walks the body anyway, and then gives it to `takeFields`. */
  fieldsOf(body: Uint8Array): JsonFields {
    return new JsonFields(body, this.#fields);
  }

  /** As `readBody`, of a valid body that was walked. */
  takeFields(facts: RequestFacts, fields: JsonFields): void {
    this.#takeValues(facts, fields.values());
  }

  /** Why a request without a model cannot be routed among several pools. */
  missingModel(facts: RequestFacts): Refusal {
    const code = facts.isModelUnusable ? "model_invalid" : (facts.bodyObstacle ?? "model_missing");
    const limit = `the limit is ${this.#options.bodyLimitBytes} bytes`;
    const messages = {
      model_invalid: `the body's model must be 1 to ${MODEL_LIMIT_BYTES} visible ASCII characters`,
      model_missing: "the request names no model, and its route needs one",
      body_invalid: "the body must be a JSON object that names a model",
      body_encoded: "the body must name a model and cannot be read: it has a content-encoding",
      body_budget_full: "the body must name a model, and too many bodies are being read already",
      body_too_large: `the body must name a model and is too large to be read: ${limit}`,
    } as const;
    return { code, message: messages[code] };
  }

  #takeValues(facts: RequestFacts, values: readonly (string | undefined)[]): void {
    facts.model ??= this.#bodyModel(facts, values);
    if (facts.sessionId !== undefined) return;
    facts.sessionId = this.#keys.fromBody(values);
    if (facts.sessionId !== undefined) facts.source = "body";
  }

  #isEncoded(values: ProcessingMessage["headers"]): boolean {
    return (values[this.#at.encoding] ?? "identity").toLowerCase() !== "identity";
  }

  #headerField(
    raw: string | undefined,
    name: string | null,
    limitBytes: number,
  ): string | undefined | Unusable {
    return raw === undefined || name === null
      ? undefined
      : parseField(raw, { field: name, limitBytes });
  }

  #bodyModel(facts: RequestFacts, values: readonly (string | undefined)[]): string | undefined {
    const model = parseField(values[this.#options.sources.bodyFields.length], {
      field: MODEL_FIELD,
      limitBytes: MODEL_LIMIT_BYTES,
    });
    facts.isModelUnusable = typeof model === "object";
    return typeof model === "string" ? model : undefined;
  }
}

function unusable(code: RefusalCode, value: Unusable): Refusal {
  const { field, lengthBytes, limitBytes } = value;
  const fault = lengthBytes > limitBytes ? "is too long" : "has one that is not visible ASCII";
  return {
    code,
    message: `the header ${field} of ${lengthBytes} bytes ${fault}; it must be 1 to ${limitBytes} visible ASCII bytes`,
  };
}

function withoutQuery(path: string): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}
