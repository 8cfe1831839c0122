/** What a GET or HEAD of bytes is answered with, by RFC 9110: everything but the bytes themselves. */
import type { ByteRange } from "../../kv/location.ts";
import { Problem } from "../../http/problem.ts";
import { chooseRanges, RANGES_LIMIT } from "./byte-ranges.ts";
import { type ConditionalHeaders, judgePreconditions, mayUseRange } from "./preconditions.ts";
import { crcText, type Representation } from "./representation.ts";

export const CRC_HEADER = "x-moorline-crc32";

const MEDIA_TYPE = "application/octet-stream";

export interface ReadRequest extends ConditionalHeaders {
  readonly method: "GET" | "HEAD";
  readonly range: string | undefined;
}

/** `ranges` in order are the part's bytes in the file. */
export interface BodyPart {
  readonly head: Uint8Array | undefined;
  readonly ranges: readonly ByteRange[];
}

export interface ReadAnswer {
  readonly status: 200 | 206 | 304;
  readonly headers: Readonly<Record<string, string>>;
  readonly lengthBytes: number;
  readonly parts: readonly BodyPart[];
  /** After the last part. */
  readonly tail: Uint8Array | undefined;
}

/**
 * `boundary` must be in no segment's bytes. Throws `precondition_failed` and `range_not_satisfiable`. Range counts for GET alone,
 * so a HEAD is answered as if it had none.
 */
export function answerRead(
  request: ReadRequest,
  shown: Representation,
  boundary: () => string,
): ReadAnswer {
  const judged = judgePreconditions(request, shown.etag);
  if (judged === "failed") {
    throw new Problem("precondition_failed", `the entity tag is ${shown.etag}`);
  }
  if (judged === "not_modified") {
    return { status: 304, headers: headersOf(shown), lengthBytes: 0, parts: [], tail: undefined };
  }
  const isRanged = request.method === "GET" && mayUseRange(request, shown.etag);
  const chosen = chooseRanges(isRanged ? request.range : undefined, shown.lengthBytes);
  switch (chosen.kind) {
    case "whole":
      return single(shown, { offset: 0, length: shown.lengthBytes }, { status: 200, headers: {} });
    case "unsatisfiable":
      throw new Problem(
        "range_not_satisfiable",
        `range ${request.range?.slice(0, 100)} must name 1 to ${RANGES_LIMIT} ranges within ${shown.lengthBytes} bytes`,
        { "content-range": `bytes */${shown.lengthBytes}` },
      );
    case "partial": {
      const [first, ...others] = chosen.ranges;
      if (first === undefined || others.length > 0) {
        return multiple(shown, chosen.ranges, boundary());
      }
      const headers = { "content-range": contentRange(first, shown) };
      return single(shown, first, { status: 206, headers });
    }
  }
}

function single(
  shown: Representation,
  range: ByteRange,
  { status, headers }: Pick<ReadAnswer, "status" | "headers">,
): ReadAnswer {
  return {
    status,
    headers: {
      ...headersOf(shown),
      ...headers,
      "content-type": MEDIA_TYPE,
      "content-length": String(range.length),
    },
    lengthBytes: range.length,
    parts: [{ head: undefined, ranges: shown.locate(range) }],
    tail: undefined,
  };
}

function multiple(
  shown: Representation,
  ranges: readonly ByteRange[],
  boundary: string,
): ReadAnswer {
  const parts = ranges.map((range, index) => {
    const fields = `content-type: ${MEDIA_TYPE}\r\ncontent-range: ${contentRange(range, shown)}`;
    const delimiter = `${index === 0 ? "" : "\r\n"}--${boundary}`;
    const head = Buffer.from(`${delimiter}\r\n${fields}\r\n\r\n`);
    return { head, ranges: shown.locate(range), bytes: head.length + range.length };
  });
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const lengthBytes = parts.reduce((sum, { bytes }) => sum + bytes, tail.length);
  return {
    status: 206,
    headers: {
      ...headersOf(shown),
      "content-type": `multipart/byteranges; boundary=${boundary}`,
      "content-length": String(lengthBytes),
    },
    lengthBytes,
    parts,
    tail,
  };
}

/** No cache may answer without asking here, where the right to read is judged; the entity tag makes asking cheap. */
function headersOf({ etag, crc }: Representation): Record<string, string> {
  return {
    etag,
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    ...(crc === undefined ? {} : { [CRC_HEADER]: crcText(crc) }),
  };
}

function contentRange({ offset, length }: ByteRange, { lengthBytes }: Representation): string {
  return `bytes ${offset}-${offset + length - 1}/${lengthBytes}`;
}
