/** What an exchange's replies must be, by the protocol alone: one for each message, or in full duplex the same bytes back. */
import type { ProcessingRequest, ProcessingResponse__Output } from "./published-codec.ts";
import type { Kind, RandomExchange } from "./random-exchange.ts";

type Replies = readonly ProcessingResponse__Output[];
type BodyKind = "request_body" | "response_body";

/** What is wrong with the replies to all messages of an exchange; undefined where nothing is. */
export function judge(exchange: RandomExchange, replies: Replies): string | undefined {
  const refusedAt = replies.findIndex(({ response }) => response === "immediate_response");
  if (refusedAt >= 0 && refusedAt < replies.length - 1) return "spoke on after it had refused";
  if (exchange.isObserved) return replies.length === 0 ? undefined : "answered an observer";
  if (!exchange.isFullDuplex) return judgeOneForOne(exchange, { replies, refusedAt });
  const isCutShort = refusedAt >= 0 || endOfAnswers(exchange.kinds) < exchange.kinds.length;
  const kinds = ["request_body", "response_body"] as const;
  return kinds
    .map((kind) => judgeStreamed(exchange, { kind, isCutShort, back: streamedBack(replies, kind) }))
    .find((fault) => fault !== undefined);
}

interface Answers {
  readonly replies: Replies;
  readonly refusedAt: number;
}

function judgeOneForOne({ kinds }: RandomExchange, { replies, refusedAt }: Answers) {
  const answered = kinds.slice(0, endOfAnswers(kinds));
  const expected =
    refusedAt < 0 ? answered : [...answered.slice(0, refusedAt), "immediate_response"];
  const back = replies.map(({ response }) => response).join();
  return back === expected.join() ? undefined : `answered ${expected.join()} with ${back}`;
}

/** A second request headers message is none of the protocol: the stream ends there. */
function endOfAnswers(kinds: readonly Kind[]): number {
  const again = kinds.indexOf("request_headers", kinds.indexOf("request_headers") + 1);
  return kinds.includes("request_headers") && again >= 0 ? again : kinds.length;
}

interface StreamedBack {
  readonly kind: BodyKind;
  /** The exchange ended early, so that bytes may be missing. */
  readonly isCutShort: boolean;
  readonly back: { readonly bytes: Buffer; readonly ends: readonly boolean[] };
}

function judgeStreamed(exchange: RandomExchange, { kind, isCutShort, back }: StreamedBack) {
  const { bytes, isEnded } = sentUpToEnd(exchange.messages, kind);
  if (!bytes.subarray(0, back.bytes.length).equals(back.bytes)) return `changed a ${kind}`;
  if (back.bytes.length > bytes.length) return `added to a ${kind}`;
  if (back.ends.indexOf(true) >= 0 && back.ends.indexOf(true) < back.ends.length - 1)
    return `sent more of a ${kind} after its end`;
  // Without its end or trailers, a request body may still have been held when the stream was over.
  const isOver = isEnded || kind === "response_body" || hasTrailers(exchange.kinds);
  if (isCutShort || !isOver) return undefined;
  if (back.bytes.length < bytes.length) return `lost a part of a ${kind}`;
  return back.ends.includes(true) === isEnded ? undefined : `did not end a ${kind} as it came`;
}

/** That end the request: they come after its headers and its body. */
function hasTrailers(kinds: readonly Kind[]): boolean {
  const trailers = kinds.lastIndexOf("request_trailers");
  return trailers > Math.max(kinds.indexOf("request_headers"), kinds.lastIndexOf("request_body"));
}

function sentUpToEnd(messages: readonly ProcessingRequest[], kind: BodyKind) {
  const parts = messages.flatMap((message) => message[kind] ?? []);
  const end = parts.findIndex((part) => part.end_of_stream === true);
  const counted = end < 0 ? parts : parts.slice(0, end + 1);
  const bytes = Buffer.concat(counted.map(({ body }) => body as Buffer));
  return { bytes, isEnded: end >= 0 };
}

function streamedBack(replies: Replies, kind: BodyKind) {
  const pieces = replies.flatMap(
    (reply) => reply[kind]?.response?.body_mutation?.streamed_response ?? [],
  );
  return {
    bytes: Buffer.concat(pieces.map(({ body }) => body ?? Buffer.alloc(0))),
    ends: pieces.map(({ end_of_stream: isEnd }) => isEnd ?? false),
  };
}
