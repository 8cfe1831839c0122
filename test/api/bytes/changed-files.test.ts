import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crc32 } from "node:zlib";

import { type Location, LocationFault } from "../../../src/kv/location.ts";
import type { Segment } from "../../../src/kv/records.ts";
import { ok } from "../../support/location-results.ts";
import { until } from "../../support/until.ts";
import { hooked } from "../../kv/verify/stand.ts";
import { bodyOf, BytesStand, codeOf, LOGGED } from "./bytes-stand.ts";

describe("a segment whose file is not as it was", () => {
  let stand: BytesStand;
  let beforeRead: () => void | Promise<void>;
  let stats: number;
  beforeEach(async () => {
    beforeRead = () => undefined;
    stats = 0;
    stand = await BytesStand.open({
      around: (location) => countingStats(hooked(location, { beforeRead: () => beforeRead() })),
    });
  });
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  function countingStats(location: Location): Location {
    const stat: Location["stat"] = (name) => {
      stats += 1;
      return location.stat(name);
    };
    return new Proxy(location, {
      get: (_, key) => (key === "stat" ? stat : (Reflect.get(location, key) as unknown)),
    });
  }

  /** Over the segment, as somebody does who has no business there. */
  async function overwrite({ file, kvStart: offset }: Segment, bytes: Uint8Array): Promise<void> {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes;
    }
    const expect = { bytes: bytes.length, crc: crc32(bytes) };
    ok(await stand.location.writeAt({ name: file.name, offset, source: source(), expect }));
  }

  async function touched(): Promise<{ id: Segment["id"]; bytes: Uint8Array }> {
    const stored = await stand.durable("a");
    await overwrite(await stand.segment(stored.id), stored.bytes);
    return stored;
  }

  it("costs nothing but a stat while it is as it was", async () => {
    const { id, bytes } = await stand.durable("a");
    expect(await bodyOf(await stand.fetch(id))).toEqual(Buffer.from(bytes));
    expect(stats).toBe(1);
    expect(stand.rechecked).toEqual([]);
  });

  it.each([
    ["GET", {}],
    ["GET", { range: "bytes=8-15" }],
    ["HEAD", {}],
  ])("is not sent where its bytes are others, to a %s of %o", async (method, headers) => {
    const { id, bytes } = await stand.durable("a");
    const segment = await stand.segment(id);
    await overwrite(segment, bytes.with(0, bytes[0] === 0 ? 1 : 0));
    const answer = await stand.fetch(id, { method, headers });
    expect(answer.status).toBe(404);
    expect(answer.headers.get("x-moorline-crc32")).toBeNull();
    expect(stand.notWhole).toEqual([`${id} damaged crc`]);
    expect(await stand.desk.catalog.segment(id)).toBeUndefined();
    expect(await codeOf(await stand.fetch(id))).toBe("404 not_found");
  });

  it("is lost where its bytes are others, its file is missing, or has become short", async () => {
    const [other, missing, short] = [
      await stand.durable("a"),
      await stand.durable("b", 5),
      await stand.durable("c", 6),
    ];
    await overwrite(await stand.segment(other.id), other.bytes.toReversed());
    const { name: missingName } = (await stand.segment(missing.id)).file;
    await stand.location.removeIf(missingName, () => true);
    const { name: shortName } = (await stand.segment(short.id)).file;
    await stand.location.removeIf(shortName, () => true);
    ok(await stand.location.reserve(shortName, 10));
    for (const { id } of [other, missing, short]) {
      expect(await codeOf(await stand.fetch(id))).toBe("404 bytes_lost");
      expect(await stand.desk.catalog.segment(id)).toBeUndefined();
    }
    expect(stand.notWhole).toEqual([
      `${other.id} damaged crc`,
      `${missing.id} damaged missing`,
      `${short.id} damaged truncated`,
    ]);
  });

  it("is sent if it is whole, and read again once for each change", async () => {
    const { id, bytes } = await touched();
    for (let i = 0; i < 2; i++) {
      expect(await bodyOf(await stand.fetch(id))).toEqual(Buffer.from(bytes));
    }
    expect(stand.rechecked).toEqual(["ok"]);
    await overwrite(await stand.segment(id), bytes);
    expect((await stand.fetch(id)).status).toBe(200);
    expect(stand.rechecked).toEqual(["ok", "ok"]);
  });

  it("is read again once for all who ask at one time", async () => {
    const { id, bytes } = await touched();
    const gate = Promise.withResolvers<void>();
    let reads = 0;
    beforeRead = () => {
      reads += 1;
      return gate.promise;
    };
    const answers = [stand.fetch(id), stand.fetch(id)];
    await until(() => stats === 2 && reads > 0);
    gate.resolve();
    for (const answer of answers) expect(await bodyOf(await answer)).toEqual(Buffer.from(bytes));
    expect(stand.rechecked).toEqual(["ok"]);
  });

  it("is sent to the next who asks where reading it again takes longer than a request may", async () => {
    await stand.close();
    stand = await BytesStand.open({
      handlerMs: 100,
      around: (location) => hooked(location, { beforeRead: () => beforeRead() }),
    });
    const { id, bytes } = await touched();
    const gate = Promise.withResolvers<void>();
    beforeRead = () => gate.promise;
    expect(await codeOf(await stand.fetch(id))).toBe("503 timed_out");
    gate.resolve();
    await until(() => stand.rechecked.length === 1);
    beforeRead = () => undefined;
    expect(await bodyOf(await stand.fetch(id))).toEqual(Buffer.from(bytes));
    await until(() => stand.served.length > 0);
    expect(stand.served).toMatchObject([{ result: "complete" }]);
    expect(stand.rechecked).toEqual(["ok"]);
  });

  it("is not sent while it cannot be read, and is later", async () => {
    const { id, bytes } = await touched();
    beforeRead = () => {
      throw new LocationFault("io", "made to fail");
    };
    expect(await codeOf(await stand.fetch(id))).toBe("503 store_failed");
    expect(stand.notWhole).toEqual([`${id} unreadable io`]);
    beforeRead = () => undefined;
    expect(await bodyOf(await stand.fetch(id))).toEqual(Buffer.from(bytes));
  });
});
