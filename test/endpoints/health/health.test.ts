import { describe, expect, it } from "vitest";
import {
  afterCheck,
  afterConnectFailure,
  assumedUp,
  passiveAllowance,
  unchecked,
  undecided,
  type Health,
} from "../../../src/endpoints/health/health.ts";

const thresholds = { failures: 3, successes: 2 };

/** Applies signs from left to right: `+` a passed check, `-` a failed one, `x` a connection failure. Shows `U` or `d` after each. */
function play(signs: string, from: Health, mayGoDown = true): string {
  let health = from;
  return signs
    .split("")
    .map((sign) => {
      health =
        sign === "x"
          ? afterConnectFailure(health, { thresholds, mayGoDown })
          : afterCheck(health, sign === "+" ? "passed" : "failed", thresholds);
      return health.isUp ? "U" : "d";
    })
    .join("");
}

describe("health of one endpoint", () => {
  it.each([
    ["+", "U", "the first check decides at once"],
    ["-", "d", "the first check decides at once"],
    ["+--", "UUU", "one failure below the threshold leaves it up"],
    ["+---", "UUUd", "the threshold of failures takes it down"],
    ["+--+--", "UUUUUU", "a passed check forgets the failures before"],
    ["-+", "dd", "one success below the threshold leaves it down"],
    ["-++", "ddU", "the threshold of successes brings it back"],
    ["-+-+", "dddd", "a failed check forgets the successes before"],
    ["+xx", "UUU", "connection failures below the threshold leave it up"],
    ["+xxx", "UUUd", "connection failures count to the same threshold"],
    ["+x-x", "UUUd", "and add up with failed checks"],
    ["+xx+xx", "UUUUUU", "a passed check forgets them"],
    ["+xxx++", "UUUddU", "passed checks bring it back"],
    ["+xxx+x+", "UUUdddd", "a connection failure meanwhile starts the count anew"],
    ["x+", "dU", "before the first check they decide nothing"],
  ])("%s gives %s: %s", (signs, states) => {
    expect(play(signs, unchecked)).toBe(states);
  });

  it("stays up one sign short of the threshold where passive signs may take no more down", () => {
    expect(play("xxxxx", assumedUp, false)).toBe("UUUUU");
    expect(play("xxxxx-", assumedUp, false)).toBe("UUUUUd");
  });

  it("counts as down passively until a failed check confirms it", () => {
    const rules = { thresholds: { failures: 1, successes: 1 }, mayGoDown: true };
    const lost = afterConnectFailure(assumedUp, rules);
    expect(lost.isDownPassively).toBe(true);
    expect(afterCheck(lost, "failed", thresholds).isDownPassively).toBe(false);
    expect(afterCheck(lost, "passed", rules.thresholds).isDownPassively).toBe(false);
  });

  it("keeps its state behind a new address until the next check, which decides alone", () => {
    expect(undecided(assumedUp).isUp).toBe(true);
    expect(play("-", undecided(assumedUp))).toBe("d");
  });

  it.each([
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
  ])("of %i endpoints passive signs may take %i down", (size, most) => {
    expect(passiveAllowance(size)).toBe(most);
  });
});
