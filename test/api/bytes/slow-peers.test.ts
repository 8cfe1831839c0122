import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { until } from "../../support/until.ts";
import { hooked } from "../../kv/verify/stand.ts";
import { bodyOf, BytesStand, codeOf, LOGGED, MIB, type StoredBytes } from "./bytes-stand.ts";
import { Peer } from "./peer.ts";

const IDLE_MS = 30_000;
const READ_LIMIT_MS = 600_000;
/** Two long bodies of one tenant fit, and one of a second. */
const LIMIT = 8 * MIB;
/** Looks at a server, 10 ms apart, that find it where it was. */
const STILL = 10;
/** Of an answer that waits for its peer. */
const TIMERS = 2;
/** More than what socket buffers take. */
const LONG = 32 * MIB;

describe("a peer that is slow", () => {
  let stand: BytesStand;
  let chunks: number;
  let left: number;
  let peers: number;
  beforeEach(async () => {
    chunks = 0;
    peers = 0;
    left = 0;
    stand = await BytesStand.open({
      limits: { bytesInFlightLimit: LIMIT },
      around: (location) =>
        hooked(location, { onChunk: () => void (chunks += 1), afterRead: () => void (left += 1) }),
    });
  });
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  function long(name = "a"): Promise<StoredBytes> {
    return stand.durable(name, LONG / stand.layout.bytesPerToken);
  }

  /** Asks, and then takes nothing, until the server can send no more: each answer waits to write, and none for the disk. */
  async function stuck(id: string): Promise<Peer> {
    const peer = await Peer.connect(stand.port);
    const before = stand.inFlight.length;
    peer.request(`GET /v1/segments/${id}/bytes`);
    await until(() => stand.inFlight.length > before);
    peers += 1;
    let [looks, last] = [0, 0];
    await until(() => {
      const isWriting = chunks > 0 && stand.clock.pendingTimers === TIMERS * peers;
      looks = isWriting && chunks === last ? looks + 1 : 0;
      last = chunks;
      return looks === STILL;
    });
    return peer;
  }

  it("makes the server read no further than the sockets take", async () => {
    const { id } = await long();
    await stuck(id);
    expect(chunks).toBeLessThan(LONG / MIB);
    expect(stand.inFlight).toEqual([2 * MIB]);
  });

  it("is cut when it takes no chunk within the idle timeout, and frees all that it held", async () => {
    const { id } = await long();
    const peer = await stuck(id);
    await stand.clock.advance(IDLE_MS - 1);
    expect(stand.served).toEqual([]);
    await stand.clock.advance(1);
    await until(() => stand.inFlight.length === 2);
    expect(stand.served).toMatchObject([{ result: "idle" }]);
    expect(stand.inFlight).toEqual([2 * MIB, 0]);
    expect(stand.clock.pendingTimers).toBe(0);
    peer.read();
    await until(() => peer.isClosed);
    expect(peer.received.length).toBeLessThan(LONG);
  });

  it("is served to the end when it takes each chunk in time", async () => {
    const { id } = await long();
    const peer = await stuck(id);
    await stand.clock.advance(IDLE_MS - 1);
    peer.read();
    await until(() => stand.inFlight.length === 2);
    expect(stand.served).toEqual([{ result: "complete", bytes: LONG, durationMs: IDLE_MS - 1 }]);
  });

  it("is cut at the limit of the whole, whatever it has taken", async () => {
    await stand.close();
    stand = await BytesStand.open({ limits: { idleTimeoutMs: 2 * READ_LIMIT_MS } });
    const { id } = await long();
    const peer = await Peer.connect(stand.port);
    peer.request(`GET /v1/segments/${id}/bytes`);
    await until(() => stand.inFlight.length === 1 && stand.clock.pendingTimers === 2);
    await stand.clock.advance(READ_LIMIT_MS - 1);
    expect(stand.served).toEqual([]);
    await stand.clock.advance(1);
    await until(() => stand.inFlight.length === 2);
    expect(stand.served).toMatchObject([{ result: "overdue" }]);
  });

  it("that goes midway frees all that was held", async () => {
    const { id } = await long();
    const peer = await stuck(id);
    peer.drop();
    await until(() => stand.inFlight.length === 2);
    expect(stand.served).toMatchObject([{ result: "aborted" }]);
    expect(stand.inFlight).toEqual([2 * MIB, 0]);
    expect(stand.clock.pendingTimers).toBe(0);
    expect(left).toBe(0);
  });

  it("keeps others of its tenant waiting, from half of the limit of bytes in flight on, which they are told", async () => {
    const { id } = await long();
    const peers = [await stuck(id), await stuck(id)];
    const refused = await stand.fetch(id);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await codeOf(refused)).toBe("503 busy");
    const segment = await stand.reserved("b");
    const put = await stand.put(segment.id, new Uint8Array(segment.bytes));
    expect(await codeOf(put)).toBe("503 busy");
    expect((await stand.fetch(id, { method: "HEAD" })).status).toBe(200);
    for (const peer of peers) peer.drop();
    await until(() => stand.inFlight.at(-1) === 0);
    const served = await stand.fetch(id);
    expect((await bodyOf(served)).length).toBe(LONG);
    expect(stand.served[0]?.result).toBe("refused");
    expect(stand.received[0]?.result).toBe("refused");
  });

  it("keeps no other tenant from reading and writing", async () => {
    const [own, others] = [await long(), await long("other/a")];
    const headers = { "x-moorline-tenant": "other" };
    const peers = [await stuck(own.id), await stuck(own.id)];
    expect(await codeOf(await stand.fetch(own.id))).toBe("503 busy");
    expect((await bodyOf(await stand.fetch(others.id, { headers }))).length).toBe(LONG);
    const segment = await stand.reserved("other/b");
    const put = await stand.put(segment.id, new Uint8Array(segment.bytes), { headers });
    expect(put.status).toBe(201);
    for (const peer of peers) peer.drop();
    await until(() => stand.inFlight.at(-1) === 0);
  });

  it("leaves its tenant's share to it again when it goes", async () => {
    const { id } = await long();
    const [first, second] = [await stuck(id), await stuck(id)];
    first.drop();
    await until(() => stand.inFlight.at(-1) === 2 * MIB);
    expect((await bodyOf(await stand.fetch(id))).length).toBe(LONG);
    second.drop();
    await until(() => stand.inFlight.at(-1) === 0);
  });

  it("is none of ten who read short bodies at once", async () => {
    const { id, bytes } = await stand.durable("a", 4);
    const answers = await Promise.all(Array.from({ length: 10 }, () => stand.fetch(id)));
    for (const answer of answers) expect(await bodyOf(answer)).toEqual(Buffer.from(bytes));
    await until(() => stand.inFlight.at(-1) === 0);
  });

  describe("to send", () => {
    async function begun(bytesOf = 4): Promise<{ peer: Peer; bytes: number }> {
      const segment = await stand.reserved("b", bytesOf);
      const peer = await Peer.connect(stand.port);
      peer.read();
      const length = { "content-length": String(segment.bytes) };
      const headers = { "x-moorline-crc32": "00000000", ...length };
      peer.request(`PUT /v1/segments/${segment.id}/bytes`, headers);
      await until(() => stand.inFlight.length > 0 && stand.clock.pendingTimers === 2);
      return { peer, bytes: segment.bytes };
    }

    it("is cut after the idle timeout", async () => {
      await stand.close();
      stand = await BytesStand.open({ limits: { idleTimeoutMs: 500 } });
      const { peer } = await begun();
      peer.send("some");
      await stand.clock.advance(499);
      expect(stand.received).toEqual([]);
      await stand.clock.advance(1);
      await until(() => stand.received.length === 1 && peer.isClosed);
      expect(stand.received).toMatchObject([{ result: "idle", bytes: 0 }]);
      expect(stand.inFlight.at(-1)).toBe(0);
      expect(stand.clock.pendingTimers).toBe(0);
    });

    it("is cut at the deadline of its turn", async () => {
      const { peer } = await begun();
      await stand.clock.advance(999);
      expect(stand.received).toEqual([]);
      await stand.clock.advance(1);
      await until(() => stand.received.length === 1 && peer.isClosed);
      expect(stand.received).toMatchObject([{ result: "overdue" }]);
    });

    it("and goes before the end of what it announced, frees all that was held", async () => {
      const { peer, bytes } = await begun();
      peer.send(new Uint8Array(bytes - 1));
      peer.drop();
      await until(() => stand.received.length === 1);
      expect(stand.received).toMatchObject([{ result: "aborted" }]);
      expect(stand.inFlight.at(-1)).toBe(0);
      expect(stand.clock.pendingTimers).toBe(0);
    });
  });
});
