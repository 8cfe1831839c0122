import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { key, QUARANTINE_MS } from "../../support/kv-desk.ts";
import { until } from "../../support/until.ts";
import { bodyOf, BytesStand, codeOf, LOGGED, type StoredBytes } from "./bytes-stand.ts";

describe("reading the bytes of a segment", () => {
  let stand: BytesStand;
  let stored: StoredBytes;
  beforeEach(async () => {
    stand = await BytesStand.open();
    stored = await stand.durable("a");
  });
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  it("gives them whole, with what a client needs to check them and to come back", async () => {
    const response = await stand.fetch(stored.id);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": String(stored.bytes.length),
      "accept-ranges": "bytes",
      etag: expect.stringMatching(/^"turn-1\.0-[0-9a-f]{8}"$/),
      "x-moorline-crc32": expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    expect(await bodyOf(response)).toEqual(Buffer.from(stored.bytes));
    await until(() => stand.served.length > 0);
    expect(stand.served).toEqual([
      { bytes: stored.bytes.length, durationMs: 0, result: "complete" },
    ]);
  });

  it("gives one longer than two chunks, and those of its own place in a shared file", async () => {
    const tokens = Math.ceil((3.5 * 2 ** 20) / stand.layout.bytesPerToken);
    const long = await stand.durable("a", tokens, 4);
    expect((await stand.segment(long.id)).kvStart).toBeGreaterThan(0);
    const body = await bodyOf(await stand.fetch(long.id));
    expect(body.equals(long.bytes)).toBe(true);
    expect(Math.max(...stand.inFlight)).toBe(2 ** 21);
    await until(() => stand.inFlight.at(-1) === 0);
  });

  it("tells by HEAD what GET would, and ignores its Range", async () => {
    const get = await stand.fetch(stored.id);
    const head = await stand.fetch(stored.id, { method: "HEAD", headers: { range: "bytes=0-1" } });
    await get.arrayBuffer();
    const [of, by] = [head, get].map(({ headers }) => ({
      ...Object.fromEntries(headers),
      date: "",
      connection: "",
      "keep-alive": "",
    }));
    expect(head.status).toBe(200);
    expect(of).toEqual(by);
  });

  it.each([
    ["no such segment", async () => "turn-9.0"],
    ["a segment of another tenant", async (on: BytesStand) => (await on.durable("u/b")).id],
    ["a reserved segment", async (on: BytesStand) => (await on.reserved("b")).id],
    ["a path", async () => "..%2F..%2Fetc%2Fpasswd"],
    ["a path past the folder", async () => "%2e%2e"],
    ["an id with a NUL", async () => "turn-1.0%00"],
    ["a file name", async () => "file-1"],
    ["a very long id", async () => "a".repeat(90)],
  ])("does not find %s", async (_, idOf) => {
    const id = await idOf(stand);
    for (const method of ["GET", "HEAD"]) {
      expect((await stand.fetch(id, { method })).status).toBe(404);
    }
    expect(stand.served).toEqual([]);
  });

  it("does not find a reserved segment in a file that is leased to other readers", async () => {
    await (await stand.fetch(stored.id)).arrayBuffer();
    const reserved = await stand.reserved("a", 4, 4);
    expect(reserved.file).toEqual((await stand.segment(stored.id)).file);
    expect(await codeOf(await stand.fetch(reserved.id))).toBe("404 not_found");
  });

  it("finds another tenant's segment in a prefix of who it trusts that is open to it, and while it is", async () => {
    const as = { headers: { "x-moorline-tenant": "u" } };
    expect((await stand.fetch(stored.id, as)).status).toBe(404);
    const [to, prefix] = [["u"], { tenant: "t", name: "paper" }];
    await stand.desk.createPrefix("t/paper", [stored.id], { to });
    expect(await bodyOf(await stand.fetch(stored.id, as))).toEqual(Buffer.from(stored.bytes));
    stand.desk.trusts.set("u", ["v"]);
    expect((await stand.fetch(stored.id, as)).status).toBe(404);
    stand.desk.trusts.delete("u");
    expect((await stand.fetch(stored.id, as)).status).toBe(200);
    const stranger = { headers: { "x-moorline-tenant": "v" } };
    expect((await stand.fetch(stored.id, stranger)).status).toBe(404);
    await stand.desk.catalog.removePrefix(prefix, stand.desk.nowMs);
    expect((await stand.fetch(stored.id, as)).status).toBe(404);
  });

  it("asks who is there", async () => {
    const response = await stand.fetch(stored.id, { headers: { "x-nobody": "1" } });
    expect(await codeOf(response)).toBe("401 unauthorized");
  });

  it("does not find a segment whose session has ended", async () => {
    await stand.desk.catalog.end(key("a"), stand.desk.nowMs);
    expect(await codeOf(await stand.fetch(stored.id))).toBe("404 not_found");
  });

  it("keeps the file from the sweeper while it is read, and long after", async () => {
    await (await stand.fetch(stored.id)).arrayBuffer();
    await stand.desk.catalog.end(key("a"), stand.desk.nowMs);
    stand.desk.nowMs += QUARANTINE_MS + 600_000;
    expect((await stand.desk.sweep()).unlinkable).toEqual([]);
    stand.desk.nowMs += 600_000;
    expect((await stand.desk.sweep()).unlinkable).toHaveLength(1);
  });

  it("takes no second lease while the first is long enough, and then does", async () => {
    const { file } = await stand.segment(stored.id);
    await stand.pin("a");
    const leasedUntil = async () => (await stand.desk.catalog.file(file))?.leasedUntilMs;
    await (await stand.fetch(stored.id)).arrayBuffer();
    const first = await leasedUntil();
    stand.desk.nowMs += 600_000;
    await (await stand.fetch(stored.id)).arrayBuffer();
    expect(await leasedUntil()).toBe(first);
    stand.desk.nowMs += 1;
    await (await stand.fetch(stored.id)).arrayBuffer();
    expect(await leasedUntil()).toBe(stand.desk.nowMs + 1_200_000);
  });

  describe("with conditions", () => {
    it.each([
      [{ "if-none-match": "ETAG" }, 304],
      [{ "if-none-match": 'W/ETAG, "x"' }, 304],
      [{ "if-none-match": "*" }, 304],
      [{ "if-none-match": '"x"' }, 200],
      [{ "if-match": "ETAG" }, 200],
      [{ "if-match": '"x", ETAG' }, 200],
      [{ "if-match": "*" }, 200],
      [{ "if-match": '"x"' }, 412],
      [{ "if-match": "W/ETAG" }, 412],
      [{ "if-match": '"x"', "if-none-match": "ETAG" }, 412],
      [{ range: "bytes=0-1", "if-range": "ETAG" }, 206],
      [{ range: "bytes=0-1", "if-range": '"x"' }, 200],
      [{ range: "bytes=0-1", "if-range": "W/ETAG" }, 200],
      [{ range: "bytes=0-1", "if-range": "Sat, 21 Nov 2026 00:00:00 GMT" }, 200],
      [{ range: "bytes=99999-", "if-range": '"x"' }, 200],
      [{ range: "bytes=99999-", "if-none-match": "ETAG" }, 304],
    ])("answers %j with %i", async (conditions, status) => {
      const etag = (await stand.fetch(stored.id, { method: "HEAD" })).headers.get("etag") ?? "";
      const entries = Object.entries(conditions).map(([name, value]) => [
        name,
        value.replace("ETAG", etag),
      ]);
      const response = await stand.fetch(stored.id, { headers: Object.fromEntries(entries) });
      expect(response.status).toBe(status);
      const lengths: Record<number, number> = { 200: stored.bytes.length, 206: 2, 304: 0 };
      const body = await bodyOf(response);
      expect(lengths[status] ?? body.length).toBe(body.length);
      if (status !== 412) expect(response.headers.get("etag")).toBe(etag);
    });
  });
});
