/**
 * One ProcessingRequest, decoded: which message it is, and the few values in it that the product reads.
 *
 * Field numbers: envoy/service/ext_proc/v3/external_processor.proto (proto/ holds our subset; a test compares the two
 * decoders). Unknown fields are passed over, so that a newer Envoy is understood.
 */
import type { HeaderNames } from "./header-names.ts";
import { readAttributes, readMetadata } from "./struct.ts";
import { lengthTag, varintTag, WireReader } from "./wire.ts";

export type MessageKind =
  | "requestHeaders"
  | "responseHeaders"
  | "requestBody"
  | "responseBody"
  | "requestTrailers"
  | "responseTrailers";

/** envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode, by number. */
export const bodyModes = {
  none: 0,
  streamed: 1,
  buffered: 2,
  bufferedPartial: 3,
  fullDuplexStreamed: 4,
} as const;
export type BodyMode = number;

/** ProtocolConfiguration: how Envoy is set up. Comes with the first message of a stream, from Envoy 1.34 on. */
export interface ProtocolModes {
  readonly requestBody: BodyMode;
  readonly responseBody: BodyMode;
}

/** What to collect while decoding; the rest is passed over without a string. */
export interface Wanted {
  readonly requestHeaders: HeaderNames;
  readonly responseHeaders: HeaderNames;
  /** Top-level keys of `attributes["envoy.filters.http.ext_proc"]`. */
  readonly attributes: HeaderNames;
  /** Metadata key in the namespace `envoy.lb.subset_hint` that holds the eligible addresses. */
  readonly subsetKey: string;
  /** Metadata key in the namespace `envoy.lb` that holds the address that really served. */
  readonly servedKey: string;
}

/** Bytes and views are lent: they live as long as the encoded message. Strings are copies, one char per byte. */
export class ProcessingMessage {
  /** undefined: none of the messages known here. */
  kind: MessageKind | undefined = undefined;
  endOfStream = false;
  /** Values of the wanted headers, by index (sparse); the first where a header repeats, all joined by "; " for `cookie`. */
  headers: (string | undefined)[] = [];
  body: Uint8Array = noBytes;
  /** Values of the wanted attributes, by index. */
  attributes: (string | number | undefined)[] = [];
  /** The subset hint's raw values; undefined where the key is absent, empty where it holds no string. */
  subset: string[] | undefined = undefined;
  served: string | undefined = undefined;
  /** Envoy sends and goes: it takes no answer. */
  isObservability = false;
  modes: ProtocolModes | undefined = undefined;
}

const noBytes = new Uint8Array(0);

const requestField = {
  requestHeaders: lengthTag(2),
  responseHeaders: lengthTag(3),
  requestBody: lengthTag(4),
  responseBody: lengthTag(5),
  requestTrailers: lengthTag(6),
  responseTrailers: lengthTag(7),
  metadataContext: lengthTag(8),
  attributes: lengthTag(9),
  observabilityMode: varintTag(10),
  protocolConfig: lengthTag(11),
} as const;

/** Throws AppError `wire_invalid` where the bytes are no ProcessingRequest. */
export function decodeMessage(bytes: Uint8Array, wanted: Wanted): ProcessingMessage {
  const reader = new WireReader(bytes);
  const message = new ProcessingMessage();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case requestField.requestHeaders:
        message.kind = "requestHeaders";
        readHttpHeaders(reader, message, wanted.requestHeaders);
        break;
      case requestField.responseHeaders:
        message.kind = "responseHeaders";
        readHttpHeaders(reader, message, wanted.responseHeaders);
        break;
      case requestField.requestBody:
        message.kind = "requestBody";
        readHttpBody(reader, message);
        break;
      case requestField.responseBody:
        message.kind = "responseBody";
        readHttpBody(reader, message);
        break;
      case requestField.requestTrailers:
        message.kind = "requestTrailers";
        reader.skip(tag);
        break;
      case requestField.responseTrailers:
        message.kind = "responseTrailers";
        reader.skip(tag);
        break;
      case requestField.metadataContext:
        readMetadata(reader, wanted, message);
        break;
      case requestField.attributes:
        message.attributes = readAttributes(reader, wanted.attributes);
        break;
      case requestField.observabilityMode:
        message.isObservability = reader.varint() !== 0;
        break;
      case requestField.protocolConfig:
        message.modes = readModes(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  return message;
}

/** HttpHeaders { HeaderMap headers = 1; bool end_of_stream = 3 }, HeaderMap { repeated HeaderValue headers = 1 }. */
function readHttpHeaders(reader: WireReader, message: ProcessingMessage, names: HeaderNames): void {
  const end = reader.enter();
  message.headers = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lengthTag(1)) {
      const mapEnd = reader.enter();
      for (let entry = reader.tag(); entry !== 0; entry = reader.tag()) {
        if (entry === lengthTag(1)) readHeaderValue(reader, message.headers, names);
        else reader.skip(entry);
      }
      reader.leave(mapEnd);
    } else if (tag === varintTag(3)) {
      message.endOfStream = reader.varint() !== 0;
    } else {
      reader.skip(tag);
    }
  }
  reader.leave(end);
}

/** HeaderValue { string key = 1; string value = 2; bytes raw_value = 3 }: raw_value wins; an empty value has neither. */
function readHeaderValue(
  reader: WireReader,
  values: (string | undefined)[],
  names: HeaderNames,
): void {
  const end = reader.enter();
  let index = -1;
  let value = "";
  let rawValue = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lengthTag(1)) {
      const at = reader.position();
      index = names.indexOf(reader.view, at, reader.lastLength);
      if (index < 0) break;
    } else if (tag === lengthTag(2)) value = reader.latin1();
    else if (tag === lengthTag(3)) rawValue = reader.latin1();
    else reader.skip(tag);
  }
  reader.leave(end);
  if (index < 0) return;
  const arrived = rawValue === "" ? value : rawValue;
  const before = values[index];
  if (before === undefined) values[index] = arrived;
  else if (names.names[index] === "cookie") values[index] = `${before}; ${arrived}`;
}

/** HttpBody { bytes body = 1; bool end_of_stream = 2 }. */
function readHttpBody(reader: WireReader, message: ProcessingMessage): void {
  const end = reader.enter();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lengthTag(1)) message.body = reader.bytes();
    else if (tag === varintTag(2)) message.endOfStream = reader.varint() !== 0;
    else reader.skip(tag);
  }
  reader.leave(end);
}

/** ProtocolConfiguration { BodySendMode request_body_mode = 1; BodySendMode response_body_mode = 2; ... }. */
function readModes(reader: WireReader): ProtocolModes {
  const end = reader.enter();
  const modes = {
    requestBody: bodyModes.none as BodyMode,
    responseBody: bodyModes.none as BodyMode,
  };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === varintTag(1)) modes.requestBody = reader.varint();
    else if (tag === varintTag(2)) modes.responseBody = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(end);
  return modes;
}
