/**
 * An answer that is an error, which may repeat the request that it refuses: as JSON (FastAPI's `detail[].input` is the whole body) or
 * in the words of a message (SGLang's). It is held until it is whole; the members that are the service's are taken out wherever they
 * are, and what is left of the names in them is struck out.
 */
import { cutOutInSlices } from "../../../json/cut-out.ts";
import { objectShape } from "../../../json/json-members.ts";
import { compileKeyNames } from "../../../json/key-names.ts";
import { atOnce } from "../../../json/slices.ts";
import { joined } from "../../../json/splice.ts";
import type { AnswerEnd, AnswerReader } from "../dialect.ts";
import { scanRegular, SERVICE_MEMBERS } from "../service-members.ts";
import type { ReportPlace } from "./answer-members.ts";
import { CLOSE_OBJECT, isSpace } from "./value-end.ts";

/**
 * A longer one is left out: the client gets its status alone. It is scanned in one piece, and a client can have its own request
 * repeated to it, of as many small values as fit: some milliseconds of everybody's.
 */
export const ERROR_LIMIT_BYTES = 128 * 1024;

const STRUCK_OUT = "[removed]";
const NOTHING: Uint8Array = new Uint8Array(0);
const ANY_OBJECT = objectShape({ wanted: {} });

export interface ErrorOptions {
  readonly place: ReportPlace;
  /** What was injected is called so. */
  readonly named: readonly string[];
}

export class ErrorAnswer implements AnswerReader {
  readonly #options: ErrorOptions;
  #held: Uint8Array[] = [];
  #size = 0;
  /** It was shown, or is left out. */
  #isOver = false;

  constructor(options: ErrorOptions) {
    this.#options = options;
  }

  /** One JSON text goes on as soon as it is whole, so that trailers may follow it. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#isOver) return chunk.every(isSpace) ? chunk : NOTHING;
    this.#size += chunk.length;
    this.#held.push(chunk.slice());
    if (this.#size > ERROR_LIMIT_BYTES) return this.#end(NOTHING);
    if (chunk.findLast((byte) => !isSpace(byte)) !== CLOSE_OBJECT) return NOTHING;
    const cleaned = this.#cleaned(joined(this.#held));
    return cleaned === undefined ? NOTHING : this.#end(cleaned);
  }

  finish(): AnswerEnd {
    const text = joined(this.#held);
    return { rest: this.#end(this.#cleaned(text) ?? this.#struck(text)), answer: undefined };
  }

  #end(shown: Uint8Array): Uint8Array {
    this.#isOver = true;
    this.#held = [];
    return shown;
  }

  /** Undefined: it is no JSON text. */
  #cleaned(text: Uint8Array): Uint8Array | undefined {
    const cut = compileKeyNames([...new Set([...SERVICE_MEMBERS, this.#options.place])]);
    const scan = atOnce(scanRegular(text, { root: ANY_OBJECT, cut }));
    if (scan.kind === "unreadable") return undefined;
    return this.#struck(atOnce(cutOutInSlices(scan.bytes, scan)).bytes);
  }

  #struck(text: Uint8Array): Uint8Array {
    const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
    const found = this.#options.named.filter((name) => bytes.includes(name));
    if (found.length === 0) return text;
    // The longest first: one may begin another.
    found.sort((a, b) => b.length - a.length);
    let struck = bytes.toString("latin1");
    for (const name of found) {
      struck = struck.replaceAll(Buffer.from(name).toString("latin1"), STRUCK_OUT);
    }
    return Buffer.from(struck, "latin1");
  }
}
