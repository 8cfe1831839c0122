import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { bodyOf, BytesStand, codeOf, LOGGED, type StoredBytes } from "./bytes-stand.ts";

describe("a range of a segment's bytes", () => {
  let stand: BytesStand;
  let other: StoredBytes;
  let stored: StoredBytes;
  beforeAll(async () => {
    stand = await BytesStand.open();
    other = await stand.durable("a", 3);
    stored = await stand.durable("a", 5, 3); // not at the start of its file
  });
  afterAll(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  const get = (range: string, query = "") => stand.fetch(stored.id, { headers: { range } }, query);

  it("is answered with 206 and says which it is", async () => {
    const response = await get("bytes=10-19");
    const { headers, status } = response;
    expect(status).toBe(206);
    expect(headers.get("content-range")).toBe(`bytes 10-19/${stored.bytes.length}`);
    expect(headers.get("content-length")).toBe("10");
    expect(headers.get("content-type")).toBe("application/octet-stream");
    expect(await bodyOf(response)).toEqual(Buffer.from(stored.bytes.slice(10, 20)));
  });

  it("is counted as a read of so many bytes where any are sent, and a HEAD is none", async () => {
    const before = stand.reads.length;
    await bodyOf(await get("bytes=10-19"));
    await stand.fetch(stored.id, { method: "HEAD" });
    await bodyOf(await get(`bytes=${stored.bytes.length}-`));
    await bodyOf(await stand.fetch(stored.id, {}));
    expect(stand.reads.slice(before)).toEqual([
      [stored.id, "disk", 10],
      [stored.id, "disk", stored.bytes.length],
    ]);
  });

  it("is refused with the size where nothing of it is there", async () => {
    const response = await get(`bytes=${stored.bytes.length}-`);
    expect(response.headers.get("content-range")).toBe(`bytes */${stored.bytes.length}`);
    expect(await codeOf(response)).toBe("416 range_not_satisfiable");
  });

  it("is a part with its own head where there are several", async () => {
    const response = await get("bytes=-4,0-7");
    expect(response.status).toBe(206);
    const [, boundary = ""] =
      /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(
        response.headers.get("content-type") ?? "",
      ) ?? [];
    expect(response.headers.has("content-range")).toBe(false);
    const size = stored.bytes.length;
    const part = (from: number, to: number) =>
      `--${boundary}\r\ncontent-type: application/octet-stream\r\n` +
      `content-range: bytes ${from}-${to - 1}/${size}\r\n\r\n` +
      Buffer.from(stored.bytes.slice(from, to)).toString("latin1");
    expect((await bodyOf(response)).toString("latin1")).toBe(
      `${part(size - 4, size)}\r\n${part(0, 8)}\r\n--${boundary}--\r\n`,
    );
  });

  it("is between boundaries that no other segment's answers tell", async () => {
    const headers = { range: "bytes=0-1,4-5" };
    const types = [
      await stand.fetch(stored.id, { headers }),
      await stand.fetch(other.id, { headers }),
    ].map((response) => response.headers.get("content-type"));
    expect(types[0]).toMatch(/boundary=[0-9a-f]{32}$/);
    expect(types[1]).not.toBe(types[0]);
  });

  it("is one answer, and no multipart, where several overlap", async () => {
    const response = await get("bytes=0-9,5-19");
    expect(response.headers.get("content-range")).toBe(`bytes 0-19/${stored.bytes.length}`);
    expect(await bodyOf(response)).toEqual(Buffer.from(stored.bytes.slice(0, 20)));
  });

  it("is what a slice of the whole is, of any cut, whatever is asked for", async () => {
    const tokens = fc
      .tuple(fc.nat(4), fc.nat(4))
      .map(([a, b]) => ({ start: Math.min(a, b), length: Math.abs(a - b) + 1 }));
    const rank = fc.option(fc.nat(1), { nil: undefined });
    const specs = fc.array(fc.tuple(fc.nat(12_000), fc.nat(3_000)), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.option(tokens), rank, specs, async (cut, asked, ranges) => {
        const all = cut === null ? Buffer.from(stored.bytes) : sliced(stored, cut, asked);
        const rankQuery = asked === undefined ? "" : `&rank=${asked}`;
        const cutQuery =
          cut === null ? "" : `?token_start=${3 + cut.start}&token_length=${cut.length}`;
        const query = cut === null ? "" : cutQuery + rankQuery;
        const text = ranges.map(([first, length]) => `${first}-${first + length}`).join(",");
        const response = await get(`bytes=${text}`, query);
        const body = await bodyOf(response);
        const parts = partsOf(response, body);
        const covered = new Set<number>();
        for (const { first, last, size, bytes } of parts) {
          expect(size).toBe(all.length);
          expect(bytes.equals(all.subarray(first, last + 1))).toBe(true);
          for (let at = first; at <= last; at++) covered.add(at);
        }
        const wanted = new Set<number>();
        for (const [first, length] of ranges) {
          for (let at = first; at <= first + length && at < all.length; at++) wanted.add(at);
        }
        expect(covered).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  /** By the layout's own picture: rank, K or V and layer, then tokens. */
  function sliced(
    { bytes }: StoredBytes,
    { start, length }: { readonly start: number; readonly length: number },
    rank: number | undefined,
  ): Buffer {
    const { planes, unitBytes, ranks } = stand.layout;
    const pieces: Uint8Array[] = [];
    for (let plane = 0; plane < planes; plane++) {
      if (rank !== undefined && Math.floor(plane / (planes / ranks)) !== rank) continue;
      const at = (plane * 5 + start) * unitBytes;
      pieces.push(bytes.subarray(at, at + length * unitBytes));
    }
    return Buffer.concat(pieces);
  }
});

interface Part {
  readonly first: number;
  readonly last: number;
  readonly size: number;
  readonly bytes: Buffer;
}

function partsOf(response: Response, body: Buffer): Part[] {
  if (response.status === 416) return [];
  const single = response.headers.get("content-range");
  if (single !== null) return [partOf(single, body)];
  const boundary = /boundary=(.*)$/.exec(response.headers.get("content-type") ?? "")?.[1] ?? "";
  const text = body.toString("latin1");
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`).slice(1, -1);
  return pieces.map((piece) => {
    const end = piece.indexOf("\r\n\r\n");
    const range = /content-range: (.*)/.exec(piece.slice(0, end))?.[1] ?? "";
    return partOf(range, Buffer.from(piece.slice(end + 4), "latin1"));
  });
}

function partOf(contentRange: string, bytes: Buffer): Part {
  const [first, last, size] = (contentRange.match(/\d+/g) ?? []).map(Number);
  if (first === undefined || last === undefined || size === undefined) {
    throw new Error(`no content-range: ${contentRange}`);
  }
  return { first, last, size, bytes };
}
