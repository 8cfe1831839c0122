import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { patterned } from "../../support/bytes.ts";
import { key } from "../../support/kv-desk.ts";
import { until } from "../../support/until.ts";
import { hooked } from "../../kv/verify/stand.ts";
import { bodyOf, BytesStand, codeOf, LOGGED } from "./bytes-stand.ts";
import { Peer } from "./peer.ts";

describe("writing the bytes of a segment", () => {
  let stand: BytesStand;
  let syncs: number;
  let duringSync: () => Promise<void>;
  beforeEach(async () => {
    syncs = 0;
    duringSync = async () => undefined;
    const beforeSync = () => {
      syncs += 1;
      return duringSync();
    };
    const around: Parameters<typeof hooked>[1] = { beforeSync };
    stand = await BytesStand.open({ around: (location) => hooked(location, around) });
  });
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  it("puts them in place, to be listed by the turn's commit and not before", async () => {
    await stand.durable("a", 3);
    const segment = await stand.reserved("a", 5, 3);
    const bytes = patterned(segment.bytes);
    const response = await stand.put(segment.id, bytes);
    expect([response.status, await response.json()]).toEqual([
      201,
      {
        id: segment.id,
        bytes: bytes.length,
        crc32: expect.stringMatching(/^[0-9a-f]{8}$/),
        durable: false,
      },
    ]);
    expect(await stand.stored(segment)).toEqual(bytes);
    expect((await stand.fetch(segment.id)).status).toBe(404);
    await stand.settle(segment, bytes);
    expect(await bodyOf(await stand.fetch(segment.id))).toEqual(bytes);
    expect(syncs).toBe(0);
    expect(stand.received).toEqual([{ bytes: bytes.length, durationMs: 0, result: "complete" }]);
  });

  it("takes a body of many chunks, and syncs it first where that is asked for", async () => {
    const tokens = Math.ceil((3.3 * 2 ** 20) / stand.layout.bytesPerToken);
    const segment = await stand.reserved("a", tokens);
    const bytes = patterned(segment.bytes);
    const response = await stand.put(segment.id, bytes, { query: "?durable=true" });
    expect(await response.json()).toMatchObject({ durable: true });
    expect((await stand.stored(segment)).equals(bytes)).toBe(true);
    expect(syncs).toBe(1);
    expect([Math.max(...stand.inFlight), stand.inFlight.at(-1)]).toEqual([2 ** 21, 0]);
  });

  it("takes fewer tokens than were reserved where it is told so", async () => {
    const segment = await stand.reserved("a", 4);
    const bytes = patterned(segment.bytes / 2);
    expect((await stand.put(segment.id, bytes, { query: "?token_length=2" })).status).toBe(201);
    expect((await stand.stored(segment)).subarray(0, bytes.length)).toEqual(bytes);
    for (const query of ["", "?token_length=1", "?token_length=3"]) {
      const refused = await stand.put(segment.id, bytes, { query });
      expect(await codeOf(refused)).toBe("422 bytes_mismatch");
    }
    for (const query of ["?token_length=0", "?token_length=5", "?token_length=x"]) {
      const refused = await stand.put(segment.id, bytes, { query });
      expect(await codeOf(refused)).toBe("400 request_invalid");
    }
  });

  it("may be done again, as after a wrong CRC", async () => {
    const segment = await stand.reserved("a");
    const bytes = patterned(segment.bytes);
    const wrong = await stand.put(segment.id, bytes, {
      headers: { "x-moorline-crc32": "00000001" },
    });
    expect(await codeOf(wrong)).toBe("422 bytes_mismatch");
    expect((await stand.put(segment.id, bytes)).status).toBe(201);
    expect(stand.received.map(({ result }) => result)).toEqual(["mismatch", "complete"]);
  });

  it.each(["0000001", "g0000000", "", "0x123456", "000000001"])(
    "needs a CRC-32 of 8 hex digits, not %j",
    async (crc) => {
      const segment = await stand.reserved("a");
      const bytes = patterned(segment.bytes);
      const refused = await stand.put(segment.id, bytes, { headers: { "x-moorline-crc32": crc } });
      expect(await refused.json()).toMatchObject({
        detail: "header.x-moorline-crc32 must be 8 hex digits",
      });
    },
  );

  it("needs a Content-Length", async () => {
    const segment = await stand.reserved("a");
    const peer = await Peer.connect(stand.port);
    peer.read();
    const headers = { "x-moorline-crc32": "00000000", "transfer-encoding": "chunked" };
    peer.request(`PUT /v1/segments/${segment.id}/bytes`, headers);
    expect(await peer.status()).toBe("HTTP/1.1 411 Length Required");
    await until(() => peer.isClosed);
  });

  it("writes nothing past the segment, whatever the body has", async () => {
    const first = await stand.reserved("a", 4);
    const bytes = patterned(first.bytes);
    await stand.put(first.id, bytes);
    await stand.settle(first, bytes);
    const second = await stand.reserved("a", 4, 4);
    await stand.put(second.id, patterned(second.bytes + 1));
    await stand.put(second.id, patterned(second.bytes * 2));
    expect(await stand.stored(first)).toEqual(bytes);
    expect(await stand.stored(second)).toEqual(Buffer.alloc(second.bytes));
  });

  it.each(["application/json", "text/plain", "application/x-anything; a=b"])(
    "takes bytes for bytes, as %s too",
    async (type) => {
      const segment = await stand.reserved("a");
      const bytes = patterned(segment.bytes);
      const response = await stand.put(segment.id, bytes, { headers: { "content-type": type } });
      expect(response.status).toBe(201);
    },
  );

  it.each([
    [
      "a durable segment",
      "409 segment_not_writable",
      async (on: BytesStand) => (await on.durable("b")).id,
    ],
    ["a reported segment", "409 segment_not_writable", reported],
    ["a segment of a turn past its deadline", "409 segment_not_writable", overdue],
    ["a segment of an ended session", "404 not_found", ended],
    [
      "another tenant's segment",
      "404 not_found",
      async (on: BytesStand) => (await on.reserved("u/b")).id,
    ],
    ["no segment", "404 not_found", async () => "turn-9.0"],
    ["a path", "404 not_found", async () => "..%2F..%2Ffile-1"],
  ])("refuses %s with %s", async (_, answer, idOf) => {
    const id = await idOf(stand);
    const { bytesPerToken } = stand.layout;
    expect(await codeOf(await stand.put(id, patterned(4 * bytesPerToken)))).toBe(answer);
  });

  it("changes no durable byte, though the same body is sent again", async () => {
    const stored = await stand.durable("a");
    await stand.put(stored.id, new Uint8Array(stored.bytes.length).fill(7));
    expect(await stand.stored(await stand.segment(stored.id))).toEqual(stored.bytes);
  });

  it("takes one body at a time for a segment", async () => {
    const segment = await stand.reserved("a");
    const bytes = patterned(segment.bytes);
    const peer = await begun(segment.id, bytes.length);
    expect(await codeOf(await stand.put(segment.id, bytes))).toBe("409 segment_not_writable");
    peer.drop();
    await until(() => stand.received.length === 2);
    expect(stand.received.map(({ result }) => result)).toEqual(["conflict", "aborted"]);
    expect((await stand.put(segment.id, bytes)).status).toBe(201);
  });

  it("stops a body whose segment was reported meanwhile", async () => {
    const tokens = Math.ceil((2.5 * 2 ** 20) / stand.layout.bytesPerToken);
    const segment = await stand.reserved("a", tokens);
    const peer = await begun(segment.id, segment.bytes);
    const bytes = patterned(segment.bytes);
    peer.send(bytes.subarray(0, 2 ** 20));
    await until(async () => (await stand.stored(segment))[0] !== 0);
    await stand.settle(segment, bytes);
    const before = await stand.stored(segment);
    peer.send(bytes.subarray(2 ** 20));
    expect(await peer.status()).toBe("HTTP/1.1 409 Conflict");
    expect((await stand.stored(segment)).equals(before)).toBe(true);
    peer.drop();
  });

  it("is not said to be done when the segment was reported before it was", async () => {
    const segment = await stand.reserved("a");
    const bytes = patterned(segment.bytes);
    duringSync = () => stand.settle(segment, bytes);
    const late = await stand.put(segment.id, bytes, { query: "?durable=true" });
    expect(await codeOf(late)).toBe("409 segment_not_writable");
  });

  /** A PUT whose head is sent and whose body is still to come. */
  async function begun(id: string, bytes: number): Promise<Peer> {
    const peer = await Peer.connect(stand.port);
    peer.read();
    const headers = { "x-moorline-crc32": "00000000", "content-length": String(bytes) };
    peer.request(`PUT /v1/segments/${id}/bytes`, headers);
    await until(() => stand.inFlight.length > 0);
    return peer;
  }
});

async function reported(stand: BytesStand): Promise<string> {
  const { id, turn, file, kvStart } = await stand.reserved("b");
  const parts = [{ segment: id, tokenStart: 0, tokenLength: 4, kvStart }];
  const reservation = { turn, file, fromBytes: kvStart, toBytes: kvStart, parts };
  await stand.desk.report(reservation, "xxxx");
  return id;
}

async function overdue(stand: BytesStand): Promise<string> {
  const { id } = await stand.reserved("b");
  stand.desk.nowMs += 1_000;
  return id;
}

async function ended(stand: BytesStand): Promise<string> {
  const { id } = await stand.reserved("b");
  await stand.desk.catalog.end(key("b"), stand.desk.nowMs);
  return id;
}
