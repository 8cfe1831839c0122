/**
 * The protobuf wire format, as far as ext_proc needs it: a forward reader and a backward writer, both without per-field objects.
 *
 * The writer fills its buffer from the end: a nested message is written before its own length prefix, so every length is known
 * when it is due and nothing is measured twice. Callers therefore write the last field first.
 * Rejected: generated codecs, which cost more CPU per exchange (docs/decisions/0002-own-codec.md); protobufjs stays in the tests
 * as the oracle of this file.
 */
import { AppError } from "../errors.ts";

/** Wire types, https://protobuf.dev/programming-guides/encoding/#structure. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** The tag of a varint field. */
export function varintTag(field: number): number {
  return (field << 3) | VARINT;
}

/** The tag of a length-delimited field: string, bytes, message, map entry. */
export function lengthTag(field: number): number {
  return (field << 3) | LENGTH_DELIMITED;
}

/** The tag of a double. */
export function doubleTag(field: number): number {
  return (field << 3) | FIXED64;
}

/** Reads one message; nested messages are entered and left in place. Throws `wire_invalid` on bytes that are no message. */
export class WireReader {
  readonly #bytes: Buffer;
  /** Next byte to read; never past #end. */
  #at = 0;
  /** End of the message that the reader is in. */
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
  }

  /** The next field's tag, or 0 at the end of the message. */
  tag(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.varint();
    if (tag < 8 || tag > 0xffff_ffff) throw malformed(`tag ${tag}`, this.#at);
    return tag;
  }

  /** An unsigned varint; bits past the 53rd are lost, as no field here needs them. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 10; length++) {
      if (this.#at >= this.#end) throw malformed("varint cut short", this.#at);
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed("varint over 10 bytes", this.#at);
  }

  double(): number {
    const at = this.#take(8);
    return this.#bytes.readDoubleLE(at);
  }

  /** A string or bytes field as one char per byte: what HTTP header values are. */
  latin1(): string {
    const length = this.varint();
    const at = this.#take(length);
    return this.#bytes.toString("latin1", at, at + length);
  }

  /** A view, not a copy: it lives as long as the bytes that this reader was given. */
  bytes(): Buffer {
    const length = this.varint();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Goes into the nested message of the field just read. Give what it returns to `leave`. */
  enter(): number {
    const length = this.varint();
    const outerEnd = this.#end;
    if (this.#at + length > outerEnd) throw malformed(`length ${length} past the end`, this.#at);
    this.#end = this.#at + length;
    return outerEnd;
  }

  /** Goes back to the outer message, behind the nested one, however much of that was read. */
  leave(outerEnd: number): void {
    this.#at = this.#end;
    this.#end = outerEnd;
  }

  /** The message's bytes, for looking at a string field in place. */
  get view(): Uint8Array {
    return this.#bytes;
  }

  /** Passes over the string field at hand; it lies in `view` at the returned position, `lastLength` bytes long. */
  position(): number {
    this.lastLength = this.varint();
    return this.#take(this.lastLength);
  }

  /** Length in bytes of what `position` passed over. */
  lastLength = 0;

  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        this.varint();
        return;
      case FIXED64:
        this.#take(8);
        return;
      case LENGTH_DELIMITED:
        this.#take(this.varint());
        return;
      case FIXED32:
        this.#take(4);
        return;
      default:
        throw malformed(`wire type ${tag & 7}`, this.#at);
    }
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw malformed(`length ${length} past the end`, at);
    this.#at = at + length;
    return at;
  }
}

function malformed(what: string, at: number): AppError {
  return new AppError("wire_invalid", `malformed protobuf message: ${what} at byte ${at}`);
}

const FIRST_BYTES = 16 * 1024;
/** What a large body needed is not kept for the messages after it. */
const KEPT_BYTES = 1024 * 1024;

/** Writes one message backwards into a buffer that it keeps and grows. What `finish` returns is lent until the next `start`. */
export class WireWriter {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** First byte written so far; everything behind it is content. */
  #at = this.#buffer.length;

  start(): void {
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.#at = this.#buffer.length;
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(this.#at);
  }

  /** Remembers the end of a nested message, before its fields are written. */
  mark(): number {
    return this.#buffer.length - this.#at;
  }

  /** Puts tag and length before all that was written since `mark`. */
  wrap(tag: number, mark: number): void {
    this.#varint(this.#buffer.length - this.#at - mark);
    this.#varint(tag);
  }

  varint(tag: number, value: number): void {
    this.#varint(value);
    this.#varint(tag);
  }

  /** A string of chars below 256, one byte each: ids, addresses, header names. */
  latin1(tag: number, text: string): void {
    this.#reserve(text.length);
    this.#at -= text.length;
    this.#buffer.write(text, this.#at, text.length, "latin1");
    this.#varint(text.length);
    this.#varint(tag);
  }

  bytes(tag: number, bytes: Uint8Array): void {
    const mark = this.mark();
    this.raw(bytes);
    this.wrap(tag, mark);
  }

  /** Bytes without tag and length: a part of what `wrap` then makes a field of. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#at -= bytes.byteLength;
    this.#buffer.set(bytes, this.#at);
  }

  #varint(value: number): void {
    this.#reserve(10);
    let length = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++;
    this.#at -= length;
    let at = this.#at;
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#buffer[at++] = (rest % 128) | 0x80;
    this.#buffer[at] = rest;
  }

  #reserve(length: number): void {
    if (length + 10 <= this.#at) return;
    const written = this.#buffer.length - this.#at;
    const grown = Buffer.allocUnsafeSlow(2 * (this.#buffer.length + length));
    grown.set(this.#buffer.subarray(this.#at), grown.length - written);
    this.#buffer = grown;
    this.#at = grown.length - written;
  }
}
