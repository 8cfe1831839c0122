/**
 * ProcessingResponses, encoded. Each function returns bytes that are lent until the next call of any of them: the sink copies
 * what it is sent.
 *
 * Envoy reads header values from `raw_value` only, ignores `append_action` (unset `append` means overwrite) and refuses a message
 * that answers another phase than the one it waits in (envoy#31555, envoy#36982).
 * `append_action` is still set, because other gateways read it. Fields are written last first: see WireWriter.
 */
import { bodyModes, type BodyMode, type MessageKind } from "./message.ts";
import { lengthTag, varintTag, WireWriter } from "./wire.ts";

const writer = new WireWriter();

export interface HeaderChanges {
  /** Names are lower-case ASCII, values visible ASCII; each overwrites what is there. */
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

/** What one CommonResponse changes besides going on. */
export interface Changes extends HeaderChanges {
  /** Has Envoy choose the route again: only where the route matches on a header set here. */
  readonly clearRouteCache: boolean;
  /** Dynamic metadata `envoy.lb` -> key -> value: where a client cannot write (Endpoint Picker Protocol). */
  readonly destination: { readonly key: string; readonly value: string } | undefined;
}

export const noChanges: Changes = {
  set: [],
  remove: [],
  clearRouteCache: false,
  destination: undefined,
};

/** The ProcessingResponse field that answers each kind of message. */
const replyField = {
  requestHeaders: lengthTag(1),
  responseHeaders: lengthTag(2),
  requestBody: lengthTag(3),
  responseBody: lengthTag(4),
  requestTrailers: lengthTag(5),
  responseTrailers: lengthTag(6),
} as const satisfies Record<MessageKind, number>;

const APPEND_ACTION_OVERWRITE_OR_ADD = 2;

/** HeadersResponse or BodyResponse { CommonResponse response = 1 } with changes. Header changes at a body hold in BUFFERED only. */
export function encodeReply(
  to: "requestHeaders" | "requestBody" | "responseHeaders",
  changes: Changes,
): Uint8Array {
  writer.start();
  writeDestination(changes.destination);
  writeCommonResponse(replyField[to], changes);
  return writer.finish();
}

/**
 * Goes on to the bodies, which Envoy then sends in these modes, with the trailers of a response whose body it sends: they are what
 * ends it where they come (HTTP/2 engines). Needs `allow_mode_override` in Envoy's filter, and this very
 * combination among its `allowed_override_modes`, where there are any: otherwise Envoy goes on as if nothing was asked.
 */
export function encodeAskForBodies(
  modes: { readonly request: BodyMode; readonly response: BodyMode },
  remove: readonly string[],
): Uint8Array {
  writer.start();
  const mark = writer.mark();
  writer.varint(varintTag(6), modes.response === bodyModes.none ? HEADER_SKIP : HEADER_SEND);
  writer.varint(varintTag(5), HEADER_SKIP);
  writer.varint(varintTag(4), modes.response);
  writer.varint(varintTag(3), modes.request);
  writer.varint(varintTag(2), HEADER_SEND);
  writer.varint(varintTag(1), HEADER_SEND);
  writer.wrap(lengthTag(9), mark); // mode_override: ProcessingMode
  writeCommonResponse(replyField.requestHeaders, { ...noChanges, remove });
  return writer.finish();
}

/** ProcessingMode.HeaderSendMode. */
const HEADER_SEND = 1;
const HEADER_SKIP = 2;

/**
 * Asks Envoy to wait this long for the next reply, once per message to the server. Alone in its message: in one with a reply, Envoy
 * takes the time and drops the reply.
 */
export function encodeHold(durationMs: number): Uint8Array {
  writer.start();
  const mark = writer.mark();
  writer.varint(varintTag(2), (durationMs % 1000) * 1e6);
  writer.varint(varintTag(1), Math.floor(durationMs / 1000));
  writer.wrap(lengthTag(10), mark); // override_message_timeout: Duration
  return writer.finish();
}

/** A body in place of the one that came (piece after piece, possibly empty), in every mode but full duplex. */
export function encodeBody(
  to: "requestBody" | "responseBody",
  changes: Changes,
  pieces: readonly Uint8Array[],
): Uint8Array {
  writer.start();
  writeDestination(changes.destination);
  const mark = writer.mark();
  if (changes.clearRouteCache) writer.varint(varintTag(5), 1);
  const bodyMark = writer.mark();
  for (const piece of pieces.toReversed()) writer.raw(piece);
  writer.wrap(lengthTag(1), bodyMark); // body, which is set even where it is empty
  writer.wrap(lengthTag(3), bodyMark); // CommonResponse.body_mutation
  writeHeaderMutation(changes);
  writer.wrap(lengthTag(1), mark); // BodyResponse.response
  writer.wrap(replyField[to], mark);
  return writer.finish();
}

/** Goes on without a change: the answer to bodies (one for one) and trailers. */
export function encodeContinue(to: MessageKind): Uint8Array {
  return continues[to];
}

const continues: Record<MessageKind, Uint8Array> = {
  requestHeaders: encodeEmpty("requestHeaders"),
  responseHeaders: encodeEmpty("responseHeaders"),
  requestBody: encodeEmpty("requestBody"),
  responseBody: encodeEmpty("responseBody"),
  requestTrailers: encodeEmpty("requestTrailers"),
  responseTrailers: encodeEmpty("responseTrailers"),
};

function encodeEmpty(to: MessageKind): Uint8Array {
  writer.start();
  writer.wrap(replyField[to], writer.mark());
  return Buffer.from(writer.finish()); // a copy: constants outlive the writer
}

/** One piece of a FULL_DUPLEX_STREAMED body: BodyMutation { StreamedBodyResponse streamed_response = 3 }. */
export function encodeStreamedBody(
  to: "requestBody" | "responseBody",
  piece: Uint8Array,
  endOfStream: boolean,
): Uint8Array {
  writer.start();
  const mark = writer.mark();
  if (endOfStream) writer.varint(varintTag(2), 1);
  writer.bytes(lengthTag(1), piece);
  writer.wrap(lengthTag(3), mark); // streamed_response
  writer.wrap(lengthTag(3), mark); // CommonResponse.body_mutation
  writer.wrap(lengthTag(1), mark); // BodyResponse.response
  writer.wrap(replyField[to], mark);
  return writer.finish();
}

export interface ImmediateReply {
  readonly status: number;
  readonly set: HeaderChanges["set"];
  readonly body: Uint8Array;
  /** For Envoy's access log (`%RESPONSE_CODE_DETAILS%`): no white space. */
  readonly details: string;
}

/** ImmediateResponse: the client gets this, the engine nothing. Envoy sends no response headers message for it. */
export function encodeImmediate(reply: ImmediateReply): Uint8Array {
  writer.start();
  const mark = writer.mark();
  writer.latin1(lengthTag(5), reply.details);
  writer.bytes(lengthTag(3), reply.body);
  writeHeaderMutation({ set: reply.set, remove: [] });
  const statusMark = writer.mark();
  writer.varint(varintTag(1), reply.status);
  writer.wrap(lengthTag(1), statusMark);
  writer.wrap(lengthTag(7), mark);
  return writer.finish();
}

/** CommonResponse { HeaderMutation header_mutation = 2; bool clear_route_cache = 5 } inside its phase's message. */
function writeCommonResponse(field: number, changes: Changes): void {
  const mark = writer.mark();
  if (changes.clearRouteCache) writer.varint(varintTag(5), 1);
  writeHeaderMutation(changes);
  writer.wrap(lengthTag(1), mark);
  writer.wrap(field, mark);
}

/** HeaderMutation { repeated HeaderValueOption set_headers = 1; repeated string remove_headers = 2 }, always as field 2. */
function writeHeaderMutation(changes: HeaderChanges): void {
  if (changes.set.length === 0 && changes.remove.length === 0) return;
  const mark = writer.mark();
  for (const name of changes.remove) writer.latin1(lengthTag(2), name);
  for (const [name, value] of changes.set) {
    const optionMark = writer.mark();
    writer.varint(varintTag(3), APPEND_ACTION_OVERWRITE_OR_ADD);
    const headerMark = writer.mark();
    writer.latin1(lengthTag(3), value); // raw_value
    writer.latin1(lengthTag(1), name);
    writer.wrap(lengthTag(1), headerMark);
    writer.wrap(lengthTag(1), optionMark);
  }
  writer.wrap(lengthTag(2), mark);
}

/** dynamic_metadata: Struct { "envoy.lb": Struct { key: string value } }. */
function writeDestination(destination: Changes["destination"]): void {
  if (destination === undefined) return;
  const mark = writer.mark();
  writer.latin1(lengthTag(3), destination.value); // Value.string_value
  writer.wrap(lengthTag(2), mark);
  writer.latin1(lengthTag(1), destination.key);
  writer.wrap(lengthTag(1), mark); // fields entry of the inner Struct
  writer.wrap(lengthTag(5), mark); // Value.struct_value
  writer.wrap(lengthTag(2), mark);
  writer.latin1(lengthTag(1), "envoy.lb");
  writer.wrap(lengthTag(1), mark); // fields entry of the outer Struct
  writer.wrap(lengthTag(8), mark);
}
