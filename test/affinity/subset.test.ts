import { describe, expect, it } from "vitest";

import { isInSubset, parseSubsetHint } from "../../src/affinity/subset.ts";
import { poolOf } from "../support/pool-snapshots.ts";

describe("parseSubsetHint", () => {
  it("takes a list of addresses [L1]", () => {
    expect(parseSubsetHint(["10.0.0.1:8000", "10.0.0.2:8000"])).toEqual([
      "10.0.0.1:8000",
      "10.0.0.2:8000",
    ]);
  });

  it("takes one string with commas [L2]", () => {
    expect(parseSubsetHint(["10.0.0.1:8000,10.0.0.2:8000"])).toEqual([
      "10.0.0.1:8000",
      "10.0.0.2:8000",
    ]);
  });

  it("takes several values, some with commas in them, in their order [L4] [L10]", () => {
    expect(parseSubsetHint(["10.0.0.3:1,10.0.0.1:1", "10.0.0.2:1"])).toEqual([
      "10.0.0.3:1",
      "10.0.0.1:1",
      "10.0.0.2:1",
    ]);
  });

  it("names nothing when there is nothing in it [L7]", () => {
    expect(parseSubsetHint([])).toEqual([]);
    expect(parseSubsetHint(["", " , ,"])).toEqual([]);
  });

  it("trims items and drops empty ones [L8]", () => {
    expect(parseSubsetHint(["  10.0.0.1:8000 , ,\t10.0.0.2 ", ""])).toEqual([
      "10.0.0.1:8000",
      "10.0.0.2",
    ]);
  });

  it("takes an IPv6 host with brackets or without, and keeps those of an address", () => {
    expect(parseSubsetHint(["[2001:DB8::1]", "2001:db8::2", "[::1]:8000"])).toEqual([
      "2001:db8::1",
      "2001:db8::2",
      "[::1]:8000",
    ]);
  });
});

describe("isInSubset", () => {
  const { endpoints } = poolOf({
    a: { host: "10.0.0.1", port: 8000 },
    b: { host: "10.0.0.1", port: 8001 },
    c: { host: "10.0.0.2", port: 8000 },
    d: { host: "::1", port: 8000 },
    e: { host: "::1", port: 8001 },
  });
  const named = (...values: string[]): string =>
    endpoints
      .filter((endpoint) => isInSubset(endpoint, new Set(parseSubsetHint(values))))
      .map(({ id }) => id)
      .join();

  it("allows every endpoint where there is no hint [L5] [L6]", () => {
    expect(endpoints.every((endpoint) => isInSubset(endpoint, undefined))).toBe(true);
  });

  it("matches an address exactly and a host on every port [L11]", () => {
    expect(named("10.0.0.1:8001")).toBe("b");
    expect(named("10.0.0.1")).toBe("a,b");
  });

  it("matches a mix of addresses and hosts [L12]", () => {
    expect(named("10.0.0.2:8000", "10.0.0.1")).toBe("a,b,c");
  });

  it("matches nothing at an unknown host or port [L9] [L12]", () => {
    expect(named("10.0.0.9", "10.0.0.1:9999")).toBe("");
  });

  it("matches no host by its beginning", () => {
    expect(named("10.0.0", "10.0.0.1:800")).toBe("");
  });

  it("matches IPv6 hosts and addresses", () => {
    expect(named("::1")).toBe("d,e");
    expect(named("[::1]")).toBe("d,e");
    expect(named("[::1]:8001")).toBe("e");
  });
});
