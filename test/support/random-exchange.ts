/**
 * Exchanges as no Envoy would send them: any header names and values, repeated, empty, huge or not ASCII, any attributes and
 * metadata, any body mode, messages in any order. What must come back is known all the same (judge-exchange.ts).
 */
import type { Random } from "../../src/clock.ts";
import type { ProcessingRequest } from "./published-codec.ts";
import { struct } from "./published-codec.ts";

const kinds = [
  "request_headers",
  "request_body",
  "request_trailers",
  "response_headers",
  "response_body",
  "response_trailers",
] as const;
export type Kind = (typeof kinds)[number];

const modes = ["NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED"] as const;

const tellingNames = [
  ":method",
  ":path",
  "x-session-id",
  "X-Session-Id",
  "x-claude-code-session-id",
  "session_id",
  "cookie",
  "x-tenant",
  "content-length",
  "content-type",
  "content-encoding",
  "x-gateway-destination-endpoint",
  "x-moorline-pool",
  ":status",
  "",
];

const tellingValues = [
  "",
  " \t ",
  "POST",
  "/generate",
  "/generate?x=%ff",
  "s-1",
  "s".repeat(256),
  "s".repeat(257),
  "sid=abc; sid=; =; ;",
  'sid="abc',
  "gzip",
  "application/json",
  "-1",
  "1e400",
  "99999999999999999999",
  "6.6.6.6:6,7.7.7.7:7",
  "\u0000\r\n",
];

/** With these, and no id among the headers that follow, the body is asked for. */
const postToBodyPath = [
  { key: ":method", raw_value: Buffer.from("POST") },
  { key: ":path", raw_value: Buffer.from("/generate") },
];

const bodies = [
  "",
  "{}",
  '{"prompt_cache_key":"k-1"}',
  '{"session_params":{"id":"b-1"},"session_params":{"id":7}}',
  '{"prompt_cache_key":"\\ud800',
  "[[[[[[[[[[",
  '"text"',
];

export interface RandomExchange {
  readonly messages: readonly ProcessingRequest[];
  readonly kinds: readonly Kind[];
  readonly isFullDuplex: boolean;
  readonly isObserved: boolean;
}

export function randomExchange(random: Random): RandomExchange {
  const source = new RandomSource(random);
  const isObserved = source.isOneIn(20);
  const mode = source.pick(modes);
  const order = source.order();
  const messages = order.map((kind, index): ProcessingRequest => {
    return {
      [kind]: source.content(kind),
      ...(isObserved && { observability_mode: true }),
      ...(source.isOneIn(3) && { attributes: source.attributes() }),
      ...(source.isOneIn(4) && { metadata_context: source.metadata() }),
      // Envoy announces the modes once, with the first message; an old one does not.
      ...(index === 0 && {
        protocol_config: { request_body_mode: mode, response_body_mode: mode },
      }),
    };
  });
  return { messages, kinds: order, isFullDuplex: mode === "FULL_DUPLEX_STREAMED", isObserved };
}

class RandomSource {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  isOneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T; // an index below the length
  }

  bytes(limit: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(limit) }, () => this.below(256)));
  }

  /** Mostly a request and its response; sometimes any messages in any order, repeated ones among them. */
  order(): readonly Kind[] {
    if (this.isOneIn(4)) return Array.from({ length: 1 + this.below(6) }, () => this.pick(kinds));
    return kinds.flatMap((kind) => {
      if (kind.endsWith("headers")) return [kind];
      return Array.from(
        { length: kind.endsWith("body") ? this.below(3) : this.below(2) },
        () => kind,
      );
    });
  }

  content(kind: Kind): object {
    if (kind.endsWith("trailers")) return { trailers: this.#headerMap() };
    const endOfStream = this.isOneIn(2);
    return kind.endsWith("headers")
      ? { headers: this.#headerMap(), end_of_stream: endOfStream }
      : { body: this.#body(), end_of_stream: endOfStream };
  }

  attributes() {
    const fields = {
      "upstream.address": this.pick(["10.0.0.1:80", "10.0.0.2:80", "nobody", ""]),
      "upstream.request_attempt_count": this.pick([-1, 0, 1, 2, Infinity]),
      "response.code_details": this.pick(["connection_failure", "via_upstream", ""]),
      [this.#text(20)]: this.#text(20),
    };
    return { [this.pick(["envoy.filters.http.ext_proc", "other"])]: struct(fields) };
  }

  metadata() {
    const addresses = Array.from({ length: this.below(4) }, () =>
      this.pick(["10.0.0.1:80", "10.0.0.2", " ,,10.0.0.3:80", "", "9.9.9.9:9", this.#text(30)]),
    );
    const key = "x-gateway-destination-endpoint-subset";
    const hint = this.pick([addresses, addresses.join(","), 7]);
    return {
      filter_metadata: {
        "envoy.lb.subset_hint": struct({ [key]: hint, [this.#text(9)]: hint }),
        "envoy.lb": struct({ "x-gateway-destination-endpoint-served": this.#text(30) }),
      },
    };
  }

  #headerMap() {
    const count = this.isOneIn(200) ? 500 : this.below(8);
    const any = Array.from({ length: count }, () => ({
      key: this.isOneIn(4) ? this.#text(40) : this.pick(tellingNames),
      [this.isOneIn(5) ? "value" : "raw_value"]: this.#value(),
    }));
    return { headers: this.isOneIn(2) ? any : [...postToBodyPath, ...any] };
  }

  #value(): Buffer | string {
    if (this.isOneIn(300)) return Buffer.alloc(200_000, this.below(256));
    return this.isOneIn(4) ? this.bytes(64) : Buffer.from(this.pick(tellingValues), "latin1");
  }

  #body(): Buffer {
    if (this.isOneIn(100)) return Buffer.alloc(150_000, "{");
    return this.isOneIn(4) ? this.bytes(100) : Buffer.from(this.pick(bodies));
  }

  #text(limit: number): string {
    return this.bytes(limit).toString("latin1");
  }
}
