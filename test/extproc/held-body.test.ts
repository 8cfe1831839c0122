import { describe, expect, it } from "vitest";
import { BodyBudget } from "../../src/extproc/body-budget.ts";
import { HeldBody, PIECE_LIMIT_BYTES } from "../../src/extproc/held-body.ts";

const NO_LIMIT = 1_000_000;

function holding(...chunks: string[]): HeldBody {
  const held = new HeldBody(new BodyBudget(NO_LIMIT));
  for (const chunk of chunks) held.add(Buffer.from(chunk), NO_LIMIT);
  return held;
}

function piecesOf(held: HeldBody, endOfStream: boolean) {
  return [...held.pieces(endOfStream)].map((piece) => [
    Buffer.from(piece.bytes).toString(),
    piece.endOfStream,
  ]);
}

describe("a held body", () => {
  it("is what came, in order", () => {
    const chunks = Array.from({ length: 1_000 }, (_, index) => `${index},`);
    expect(Buffer.from(holding(...chunks).whole()).toString()).toBe(chunks.join(""));
  });

  it("takes little more memory than its bytes, however small its chunks", () => {
    const chunks = Array.from({ length: 100_000 }, () => "x");
    expect([...holding(...chunks).pieces(true)].length).toBe(2);
    expect(holding(...chunks).whole().buffer.byteLength).toBeLessThan(200_000);
  });

  it("goes on in pieces of the limit, the last one with the end", () => {
    const held = holding("a".repeat(PIECE_LIMIT_BYTES), "b");
    expect(piecesOf(held, true)).toEqual([
      ["a".repeat(PIECE_LIMIT_BYTES), false],
      ["b", true],
    ]);
  });

  it("that is empty goes on only if there is an end to send", () => {
    expect(piecesOf(holding(), false)).toEqual([]);
    expect(piecesOf(holding(""), false)).toEqual([]);
    expect(piecesOf(holding(""), true)).toEqual([["", true]]);
  });

  it("copies what it is lent", () => {
    const lent = Buffer.from("abc");
    const held = new HeldBody(new BodyBudget(NO_LIMIT));
    held.add(lent, NO_LIMIT);
    lent.fill(0);
    expect(Buffer.from(held.whole()).toString()).toBe("abc");
  });

  it("over its own limit or over everybody's keeps its bytes, says so, and gives back what it took", () => {
    const budget = new BodyBudget(10);
    const held = new HeldBody(budget);
    expect([held.add(Buffer.from("123"), 4), budget.heldBytes]).toEqual([true, 3]);
    expect([held.add(Buffer.from("45"), 4), budget.heldBytes]).toEqual([false, 5]);
    expect([held.add(Buffer.from("678901"), 99), budget.heldBytes]).toEqual([false, 5]);
    expect(Buffer.from(held.whole()).toString()).toBe("12345678901");
    held.release();
    held.release();
    expect(budget.heldBytes).toBe(0);
  });
});
