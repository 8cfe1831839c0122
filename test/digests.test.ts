import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDigests } from "../src/digests.ts";

const digests = createDigests();
const bytes = fc.uint8Array({ maxLength: 200, size: "max" });
const parts = fc.array(bytes, { maxLength: 5 });
const hex = (digest: Uint8Array): string => Buffer.from(digest).toString("hex");

describe("digests", () => {
  it("hashes the parts one after the other", () => {
    fc.assert(
      fc.property(parts, (list) => {
        const joined = Buffer.concat(list);

        expect(hex(digests.sha256(...list))).toBe(
          createHash("sha256").update(joined).digest("hex"),
        );
      }),
    );
  });

  it("is HMAC for every length of key, also past a block", () => {
    fc.assert(
      fc.property(bytes, parts, (key, list) => {
        const joined = Buffer.concat(list);

        expect(hex(digests.hmacSha256(key, ...list))).toBe(
          createHmac("sha256", key).update(joined).digest("hex"),
        );
      }),
    );
  });

  it("hashes messages that outgrow the memory it started with, and keeps earlier digests as they were", () => {
    const long = new Uint8Array(100_000).fill(7);
    const first = digests.sha256(long.subarray(0, 1), long.subarray(1, 3));
    const before = hex(first);

    expect(hex(digests.sha256(long, long))).toBe(
      createHash("sha256").update(long).update(long).digest("hex"),
    );
    expect(hex(first)).toBe(before);
  });
});
