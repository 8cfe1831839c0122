/**
 * An answer that is a stream of server-sent events, the data of each a JSON text, the last one `[DONE]` or one that says so itself. Lines end in LF, CRLF or CR;
 * everything but data passes untouched. Bytes go on as they come, even of an event that is not whole yet, but for what its JSON
 * holds back; only an event that may turn out to be left out altogether is held, to `EVENT_LIMIT_BYTES`.
 */
import type { AnswerEnd, AnswerReader } from "../dialect.ts";
import type { AnswerMembers } from "./answer-members.ts";
import { Captures } from "./captures.ts";
import { JsonSieve } from "./json-sieve.ts";
import { Outlet } from "./outlet.ts";

/** As the engine sent it. A larger event is never left out; the members that are removed are, whatever its size. */
export const EVENT_LIMIT_BYTES = 256 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const encoder = new TextEncoder();
const DATA = encoder.encode("data:");
const DONE = encoder.encode("[DONE]");

type Place = "line_start" | "name" | "data" | "other";

export class EventAnswer implements AnswerReader {
  readonly #members: AnswerMembers;
  readonly #captures: Captures;
  readonly #out = new Outlet();
  readonly #sieve: JsonSieve;
  #chunk: Uint8Array = DATA;
  /** Bytes of the chunks before this one. */
  #consumed = 0;
  #place: Place = "line_start";
  /** Bytes of `data:` that the line has so far, in `name`. */
  #named = 0;
  /** The line end was a CR, which an LF may follow. */
  #isAfterCr = false;
  /** That CR was the end of an event that was left out. */
  #isEndDropped = false;
  #hasData = false;
  /** Bytes of `[DONE]` that the event's data has so far; -1: it is something else. */
  #done = 0;
  /** Where the present event begins in the outlet and in the stream, while it may be left out as a whole. */
  #event: { readonly position: number; readonly offset: number } | undefined;
  /** The last data was the end. */
  #isDone = false;
  #hasFailed = false;

  constructor(members: AnswerMembers) {
    this.#members = members;
    this.#captures = new Captures(members);
    this.#sieve = new JsonSieve({ plan: members.plan, out: this.#out, captures: this.#captures });
  }

  push(chunk: Uint8Array): Uint8Array {
    this.#chunk = chunk;
    this.#out.lend(chunk);
    let at = 0;
    while (at < chunk.length) at = this.#step(at);
    this.#consumed += chunk.length;
    this.#chunk = DATA;
    this.#sieve.limitHeld();
    const isHeld = this.#event && this.#consumed - this.#event.offset <= EVENT_LIMIT_BYTES;
    return this.#out.take(isHeld ? this.#event?.position : this.#sieve.heldFrom);
  }

  finish(): AnswerEnd {
    this.#endEvent(this.#consumed);
    const { reading } = this.#members;
    const isAnswer = this.#isDone && !this.#hasFailed;
    return {
      rest: this.#out.take(),
      answer: isAnswer ? reading.read(this.#captures) : undefined,
    };
  }

  /** Takes bytes from `at` on and returns the offset behind them. */
  #step(at: number): number {
    const byte = this.#chunk[at];
    const isSecond = byte === LF && this.#isAfterCr;
    this.#isAfterCr = false;
    if (isSecond) {
      if (!this.#isEndDropped) this.#out.keep(at, at + 1);
      return at + 1;
    }
    if (byte === LF || byte === CR) return this.#endLine(at);
    switch (this.#place) {
      case "line_start":
        this.#beginLine(at);
        return this.#readName(at);
      case "name":
        return this.#readName(at);
      case "data":
        return this.#readData(at);
      case "other":
        return this.#readOther(at);
    }
  }

  #beginLine(at: number): void {
    this.#place = "name";
    this.#named = 0;
    const isComment = this.#chunk[at] === COLON;
    if (!this.#members.dropsIdle || isComment || this.#hasData) return;
    this.#event ??= { position: this.#out.position, offset: this.#consumed + at };
  }

  #readName(at: number): number {
    const isName = this.#chunk[at] === DATA[this.#named];
    this.#named++;
    this.#out.keep(at, at + 1);
    if (!isName) this.#place = "other";
    else if (this.#named === DATA.length) this.#beginData();
    return at + 1;
  }

  #beginData(): void {
    this.#place = "data";
    if (this.#hasData) {
      this.#sieve.newline();
      this.#done = -1;
    } else {
      this.#sieve.begin();
      this.#hasData = true;
    }
  }

  #readData(at: number): number {
    const end = endOfLine(this.#chunk, at);
    for (let i = at; i < end && this.#done >= 0; i++) this.#matchDone(this.#chunk[i]);
    this.#sieve.push(this.#chunk, at, end);
    if (!this.#sieve.mayBeLeftOut) this.#event = undefined;
    return end;
  }

  #matchDone(byte: number | undefined): void {
    if (byte === DONE[this.#done]) this.#done++;
    else if (byte !== SPACE || (this.#done > 0 && this.#done < DONE.length)) this.#done = -1;
  }

  #readOther(at: number): number {
    const end = endOfLine(this.#chunk, at);
    this.#out.keep(at, end);
    return end;
  }

  #endLine(at: number): number {
    this.#out.keep(at, at + 1);
    this.#isAfterCr = this.#chunk[at] === CR;
    this.#isEndDropped = false;
    if (this.#place === "line_start") this.#endEvent(this.#consumed + at + 1);
    this.#place = "line_start";
    return at + 1;
  }

  /** `offset`: in the stream, behind its last byte. */
  #endEvent(offset: number): void {
    const event = this.#event;
    this.#event = undefined;
    if (!this.#hasData) return;
    const { reading } = this.#members;
    const isMark = this.#done === DONE.length;
    const isSound = isMark || (this.#sieve.isWhole && !reading.saysError(this.#captures));
    if (!isSound) this.#hasFailed = true;
    this.#isDone = isMark || reading.saysEnd(this.#captures);
    const isSmall = event !== undefined && offset - event.offset <= EVENT_LIMIT_BYTES;
    if (isSmall && this.#sieve.isLeftOut) {
      this.#out.cut(event.position);
      this.#isEndDropped = true;
    }
    this.#sieve.begin();
    this.#hasData = false;
    this.#done = 0;
  }
}

/** The offset of the first line end at or after `at`; the length if there is none. */
function endOfLine(bytes: Uint8Array, at: number): number {
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte <= CR && (byte === LF || byte === CR)) return i;
  }
  return bytes.length;
}
