import { describe, expect, it } from "vitest";
import { ExpectationFailed, formatList, Narration } from "../../../demo/kv/narration.ts";

function narrate() {
  const lines: string[] = [];
  return { lines, narration: new Narration((text) => void lines.push(text)) };
}

describe("a narration", () => {
  it("numbers its steps, and indents what is in them, line by line", () => {
    const { lines, narration } = narrate();
    narration.step("First");
    narration.say("$ curl \\\n  --json '{}'");
    narration.step("Second");
    expect(lines).toEqual(["\n1. First", "   $ curl \\\n     --json '{}'", "\n2. Second"]);
  });

  it("prints a claim that holds, and counts it", () => {
    const { lines, narration } = narrate();
    narration.holds({ claim: "two are listed", found: [{ at: 1 }, 2], expected: [{ at: 1 }, 2] });
    expect([lines, narration.claims]).toEqual([["   ok: two are listed"], 1]);
  });

  it("prints no claim that does not hold, and says what was expected", () => {
    const { lines, narration } = narrate();
    narration.step("First");
    const claim = { claim: "two are listed", found: [1], expected: [1, 2] };
    const failed = new ExpectationFailed(
      "Step 1 expected: two are listed\nexpected [ 1, 2 ]\nfound    [ 1 ]",
    );
    expect(() => narration.holds(claim)).toThrow(failed);
    expect([lines, narration.claims]).toEqual([["\n1. First"], 0]);
  });
});

it("a list names each file once for the segments in a row that are in it", () => {
  const segment = (token_start: number, kv_uri: string, kv_start: number) => {
    return { token_start, token_length: 1_213, kv_uri, kv_start };
  };
  const list = [
    segment(0, "file:///a", 0),
    segment(113, "file:///a", 16_662_528),
    segment(213, "file:///b", 0),
  ];
  expect(formatList("stored", list).split("\n")).toEqual([
    "stored file:///a",
    "  token_start     0   token_length 1,213   kv_start          0",
    "  token_start   113   token_length 1,213   kv_start 16,662,528",
    "stored file:///b",
    "  token_start   213   token_length 1,213   kv_start          0",
  ]);
  expect(formatList("stored", [])).toBe("stored: nothing");
});
