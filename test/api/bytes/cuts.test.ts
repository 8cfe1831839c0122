import { afterEach, describe, expect, it } from "vitest";

import { LAYOUTS } from "../../kv/verify/stand.ts";
import { bodyOf, BytesStand, codeOf, LOGGED, type StandOptions } from "./bytes-stand.ts";

describe("tokens cut out of a segment", () => {
  let stand: BytesStand;
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  /** Of the tokens 2, 3, 4 and 5. */
  async function stored(options: StandOptions = {}) {
    stand = await BytesStand.open(options);
    await stand.durable("a", 2);
    return stand.durable("a", 4, 2);
  }

  it("are every plane's bytes of just these tokens, which count from the session's start", async () => {
    const { id, bytes } = await stored();
    const { planes, unitBytes } = LAYOUTS["tp=2"];
    const body = await bodyOf(await stand.fetch(id, {}, "?token_start=3&token_length=2"));
    expect(body).toHaveLength(planes * 2 * unitBytes);
    for (let plane = 0; plane < planes; plane++) {
      const at = (plane * 4 + 1) * unitBytes;
      const cut = body.subarray(plane * 2 * unitBytes, (plane + 1) * 2 * unitBytes);
      expect(cut.equals(bytes.subarray(at, at + 2 * unitBytes))).toBe(true);
    }
  });

  it("are all that follow where there is no length, and one rank's where it is named", async () => {
    const { id, bytes } = await stored();
    const half = bytes.length / 2;
    const first = await bodyOf(await stand.fetch(id, {}, "?rank=0"));
    const second = await bodyOf(await stand.fetch(id, {}, "?rank=1&token_start=2"));
    expect(first.equals(bytes.subarray(0, half))).toBe(true);
    expect(second.equals(bytes.subarray(half))).toBe(true);
    const tail = await stand.fetch(id, { method: "HEAD" }, "?token_start=5");
    expect(tail.headers.get("content-length")).toBe(String(bytes.length / 4));
  });

  it("have an entity tag of their own, and no CRC of the whole", async () => {
    const { id } = await stored();
    const queries = ["", "?token_start=2", "?token_start=3", "?token_length=3", "?rank=1"];
    const heads = await Promise.all(
      queries.map((query) => stand.fetch(id, { method: "HEAD" }, query)),
    );
    expect(new Set(heads.map(({ headers }) => headers.get("etag"))).size).toBe(queries.length);
    expect(heads.map(({ headers }) => headers.has("x-moorline-crc32"))).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it.each([
    ["?token_start=1", "query.token_start must be from 2 to 5"],
    ["?token_start=6", "query.token_start must be from 2 to 5"],
    ["?token_length=0", "query.token_length must be from 1 to 4"],
    ["?token_start=3&token_length=4", "query.token_length must be from 1 to 3"],
    ["?rank=2", "query.rank must be from 0 to 1"],
    ["?token_start=-1", "query.token_start must be an integer of up to 15 digits"],
    ["?token_start=1e3", "query.token_start must be an integer of up to 15 digits"],
    ["?token_length=9999999999999999", "query.token_length must be an integer of up to 15 digits"],
    ["?token_start=2&token_start=3", "query.token_start must be a string"],
    ["?tokens=1", "query.tokens must be left out: there is no such field"],
  ])("are refused with the limit: %s", async (query, detail) => {
    const { id } = await stored();
    const response = await stand.fetch(id, {}, query);
    expect(await response.json()).toMatchObject({ code: "request_invalid", detail });
  });

  it("need a model that is still configured, which the whole does not", async () => {
    const { id } = await stored({ isLayoutKnown: false });
    expect(await codeOf(await stand.fetch(id, {}, "?rank=0"))).toBe("409 geometry_unknown");
    expect((await stand.fetch(id, { method: "HEAD" })).status).toBe(200);
  });
});
