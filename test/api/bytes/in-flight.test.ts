import { describe, expect, it } from "vitest";

import { BytesInFlight } from "../../../src/api/bytes/in-flight.ts";
import { MIB } from "./bytes-stand.ts";

const LONG = 2 * MIB;

describe("memory for bodies under way", () => {
  function open(bytesInFlightLimit: number): BytesInFlight {
    const limits = { bytesInFlightLimit, idleTimeoutMs: 1, signedUrlLimitMs: 1 };
    const observer = {
      served: () => {},
      received: () => {},
      inFlight: () => {},
      unreadable: () => {},
      notWhole: () => {},
      unserved: () => {},
    };
    return new BytesInFlight({ limits, observer });
  }

  /** How many long bodies each gets who wants all there is, one after the other. */
  function greedy(inFlight: BytesInFlight, tenants: readonly string[]): number[] {
    return tenants.map((tenant) => {
      let bodies = 0;
      while (inFlight.take(tenant, LONG) !== undefined) bodies += 1;
      return bodies;
    });
  }

  it("is to half of it a tenant's who is alone, to the byte", () => {
    const inFlight = open(200);
    expect(inFlight.take("a", 101)).toBeUndefined();
    expect(inFlight.take("a", 99)).toBeDefined();
    expect(inFlight.take("a", 2)).toBeUndefined();
    expect(inFlight.take("a", 1)).toBeDefined();
  });

  it("has room for the next tenant, however much the ones before it want", () => {
    expect(greedy(open(128 * LONG), ["a", "b", "c", "d", "a"])).toEqual([64, 32, 16, 8, 0]);
  });

  it("is all there again when all have ended", () => {
    const inFlight = open(4 * LONG);
    const releases = ["a", "a", "b"].map((tenant) => inFlight.take(tenant, LONG));
    for (const release of releases) release?.();
    expect(releases).not.toContain(undefined);
    expect(greedy(inFlight, ["b"])).toEqual([2]);
  });
});
