import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import { Chain } from "../../../src/kv/chain/chain.ts";
import {
  type ChainFormat,
  chainStart,
  type GridPoint,
  gridTokens,
  PLAIN_START,
  TEXT_CHAIN,
  tokenChain,
} from "../../../src/kv/chain/chain-format.ts";
import { tokenBytes } from "../../../src/kv/chain/token-bytes.ts";

const digests = createDigests();
const hex = (digest: Uint8Array): string => Buffer.from(digest).toString("hex");

function chainOf(format: ChainFormat, units: Uint8Array, from: GridPoint = PLAIN_START): Chain {
  const chain = new Chain({ format, from, digests });
  chain.append(units);
  return chain;
}

/** Every digest of a chain by position. */
function allEnds(chain: Chain, from: number): string[] {
  return Array.from({ length: chain.length - from + 1 }, (_, i) =>
    hex(chain.endAt(from + i).digest),
  );
}

/** The key of each page as HiCache makes it: the previous page's digest, then each token as 4 bytes, little end first. */
function hicacheKeys(tokens: readonly number[], pageSize: number): string[] {
  const keys: string[] = [];
  for (let end = pageSize; end <= tokens.length; end += pageSize) {
    const hasher = createHash("sha256");
    hasher.update(Buffer.from(keys.at(-1) ?? "", "hex"));
    for (const token of tokens.slice(end - pageSize, end)) {
      hasher.update(
        Buffer.from([token & 255, (token >>> 8) & 255, (token >>> 16) & 255, token >>> 24]),
      );
    }
    keys.push(hasher.digest("hex"));
  }
  return keys;
}

const token = fc.oneof(fc.nat(200_000), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1));
const tokens = fc.array(token, { maxLength: 400, size: "max" });
const context = fc.record({
  extraKey: fc.constantFrom("", "a", "b"),
  cacheSalt: fc.constantFrom("", "a", "b"),
});

/** A format and whole units for it. */
const units = fc.oneof(
  fc.record({
    format: fc.constantFrom(1, 16, 48, 64, 128).map(tokenChain),
    bytes: tokens.map(tokenBytes),
  }),
  fc.record({
    format: fc.constant(TEXT_CHAIN),
    bytes: fc.uint8Array({ maxLength: 1000, size: "max" }),
  }),
);

describe("the grid", () => {
  it("is the page, or the least multiple of smaller pages from 64 on", () => {
    expect([1, 16, 32, 48, 64, 65, 128].map(gridTokens)).toEqual([64, 64, 64, 96, 64, 65, 128]);
  });

  it.each([64, 128])("of a plain chain is HiCache's keys for pages of %s tokens", (pageSize) => {
    fc.assert(
      fc.property(tokens, (list) => {
        const points = chainOf(tokenChain(pageSize), tokenBytes(list)).points.slice(1);

        expect(points.map(({ digest }) => hex(digest))).toEqual(hicacheKeys(list, pageSize));
      }),
    );
  });

  it("has its points at multiples of the step, and none for the rest", () => {
    const chain = chainOf(tokenChain(16), tokenBytes(new Uint32Array(200).fill(5)));

    expect(chain.points.map(({ at }) => at)).toEqual([0, 64, 128, 192]);
    expect(chain.length).toBe(200);
  });
});

describe("a chain", () => {
  it("is the same however its units are appended, and tells each grid point once", () => {
    fc.assert(
      fc.property(units, fc.array(fc.nat(300), { maxLength: 6 }), ({ format, bytes }, sizes) => {
        const whole = chainOf(format, bytes);
        const parts = new Chain({ format, from: PLAIN_START, digests });
        let at = 0;
        const passed: GridPoint[] = [];
        for (const size of [...sizes, Infinity]) {
          const end = Math.min(bytes.length, at + size * format.unitBytes);
          passed.push(...parts.append(bytes.subarray(at, end)));
          at = end;
        }

        expect(allEnds(parts, 0)).toEqual(allEnds(whole, 0));
        expect([PLAIN_START, ...passed]).toEqual(whole.points);
      }),
    );
  });

  it("goes on from a stored grid point as it does from the start", () => {
    fc.assert(
      fc.property(units, context, fc.nat(), ({ format, bytes }, kept, pick) => {
        const whole = chainOf(format, bytes, chainStart(kept, digests));
        const known = whole.points[pick % whole.points.length] ?? PLAIN_START;
        const stored = { at: known.at, digest: Uint8Array.from(known.digest) };
        const resumed = chainOf(format, bytes.subarray(known.at * format.unitBytes), stored);

        expect(allEnds(resumed, known.at)).toEqual(allEnds(whole, 0).slice(known.at));
        expect(resumed.length).toBe(whole.length);
      }),
    );
  });

  it("has two prompts agree exactly as far as their units do", () => {
    fc.assert(
      fc.property(units, fc.nat(), ({ format, bytes }, pick) => {
        fc.pre(bytes.length > 0);
        const edit = pick % bytes.length;
        const edited = Uint8Array.from(bytes);
        edited[edit] = (edited[edit] ?? 0) ^ 1;
        const [before, after] = [chainOf(format, bytes), chainOf(format, edited)].map((chain) =>
          allEnds(chain, 0),
        );
        const agreed = before?.filter((digest, at) => digest === after?.[at]);

        expect(agreed).toEqual(before?.slice(0, 1 + Math.floor(edit / format.unitBytes)));
      }),
    );
  });

  it("keeps what it hashed when the caller reuses the memory", () => {
    const bytes = tokenBytes([1, 2, 3]);
    const chain = chainOf(tokenChain(64), bytes);
    const before = hex(chain.endAt(3).digest);
    bytes.fill(0);

    expect(hex(chain.endAt(3).digest)).toBe(before);
  });

  it("refuses half a unit, an origin off the grid and a position that it does not have", () => {
    const format = tokenChain(64);
    const from = { at: 64, digest: new Uint8Array(32).fill(1) };
    const chain = chainOf(format, tokenBytes([1, 2]), from);

    expect(() => chain.append(new Uint8Array(3))).toThrow("chain bytes 3 must be whole units of 4");
    expect(() => chain.endAt(63)).toThrow("chain position 63 must be an integer from 64 to 66");
    expect(() => chain.endAt(67)).toThrow("chain position 67 must be an integer from 64 to 66");
    expect(() => chain.endAt(64.5)).toThrow("chain position 64.5");
    expect(() => new Chain({ format, from: { ...from, at: 63 }, digests })).toThrow(
      "chain origin 63 must be a multiple of 64",
    );
  });
});

describe("the start of a chain", () => {
  const startOf = (extraKey?: string, cacheSalt?: string): string =>
    hex(chainStart({ extraKey, cacheSalt }, digests).digest);

  it("differs for every pair of extra key and cache salt, and never mixes the two up", () => {
    const pairs = ["", "a", "b", "ab"].flatMap((key) =>
      ["", "a", "b", "ab"].map((salt) => startOf(key, salt)),
    );

    expect(new Set(pairs).size).toBe(16);
  });

  it("is plain when both are absent or empty", () => {
    expect([startOf(), startOf("", ""), startOf(undefined, "")]).toEqual([
      "0".repeat(64),
      "0".repeat(64),
      "0".repeat(64),
    ]);
  });

  it("differs by what a text is split at, which is neither extra key nor cache salt", () => {
    const starts = [
      chainStart({}, digests, "a"),
      chainStart({}, digests, "b"),
      chainStart({ cacheSalt: "a" }, digests),
      chainStart({ cacheSalt: "a" }, digests, "a"),
    ];

    expect(new Set(starts.map(({ digest }) => hex(digest))).size).toBe(4);
    expect(starts.map(({ at }) => at)).toEqual([0, 0, 0, 0]);
  });

  it("keeps whole chains apart, leaves and grid alike", () => {
    const bytes = tokenBytes(Array.from({ length: 130 }, (_, i) => i));
    const plain = allEnds(chainOf(tokenChain(64), bytes), 0);
    const salted = chainOf(tokenChain(64), bytes, chainStart({ cacheSalt: "s" }, digests));

    expect(new Set([...plain, ...allEnds(salted, 0)]).size).toBe(2 * 131);
  });
});

describe("what is hashed", () => {
  /** Everything that went into SHA-256, by kind. */
  function hashedBy(
    format: ChainFormat,
    bytes: Uint8Array,
    kept: object,
  ): Record<string, Buffer[]> {
    const hashed: Buffer[] = [];
    const spy = {
      ...digests,
      sha256(...parts: Uint8Array[]): Uint8Array {
        hashed.push(Buffer.concat(parts));
        return digests.sha256(...parts);
      },
    };
    const from = chainStart(kept, spy);
    const starts = hashed.splice(0).slice(2); // the first two are of the texts alone
    const chain = new Chain({ format, from, digests: spy });
    chain.append(bytes);
    const grid = hashed.splice(0);
    for (let at = 0; at <= chain.length; at++) chain.endAt(at);
    return { starts, grid, leaves: hashed };
  }

  it("differs in length modulo 4, or in its first byte, for grid, leaf and start of tokens", () => {
    fc.assert(
      fc.property(tokens, context, (list, kept) => {
        const { starts, grid, leaves } = hashedBy(tokenChain(64), tokenBytes(list), kept);

        expect(grid?.every(({ length }) => length % 4 === 0)).toBe(true);
        expect(leaves?.every((input) => input.length % 4 === 1 && input[0] === 1)).toBe(true);
        expect(starts?.every((input) => input.length % 4 === 1 && input[0] === 2)).toBe(true);
      }),
    );
  });

  it("differs in its first byte for grid, leaf and start of text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), context, (bytes, kept) => {
        const { starts, grid, leaves } = hashedBy(TEXT_CHAIN, bytes, kept);
        const firsts = [grid, leaves, starts].map((inputs) => new Set(inputs?.map(([tag]) => tag)));

        expect(firsts.every((tags, kind) => [...tags].every((tag) => tag === kind))).toBe(true);
      }),
    );
  });
});

describe("tokenBytes", () => {
  it("writes unsigned 32-bit numbers, little end first", () => {
    expect([...tokenBytes([1, 0x0102_0304, 2 ** 32 - 1])]).toEqual([
      1, 0, 0, 0, 4, 3, 2, 1, 255, 255, 255, 255,
    ]);
    expect([...tokenBytes(Uint32Array.of(258))]).toEqual([2, 1, 0, 0]);
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN, Infinity])("refuses %s and says where it is", (bad) => {
    expect(() => tokenBytes([7, bad])).toThrow(
      `tokens[1] ${bad} must be an integer from 0 to 4294967295`,
    );
  });
});
