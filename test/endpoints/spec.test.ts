import { describe, expect, it } from "vitest";
import { endpointLimits, parseEndpointItems } from "../../src/endpoints/spec.ts";

const problemsOf = (...items: readonly unknown[]): readonly string[] =>
  parseEndpointItems(items, "endpoints").problems;

describe("endpoint items", () => {
  it("takes a plain address as id and address, with weight 1", () => {
    expect(parseEndpointItems(["10.0.0.1:8000"], "endpoints")).toEqual({
      specs: [
        {
          id: "10.0.0.1:8000",
          host: "10.0.0.1",
          port: 8000,
          weight: 1,
          labels: {},
          isDraining: false,
        },
      ],
      problems: [],
    });
  });

  it("takes every field of an object", () => {
    const item = {
      address: "10.0.0.2:1",
      id: "gpu-b",
      weight: 2.5,
      labels: { zone: "a" },
      draining: true,
    };
    expect(parseEndpointItems([item], "endpoints").specs).toEqual([
      {
        id: "gpu-b",
        host: "10.0.0.2",
        port: 1,
        weight: 2.5,
        labels: { zone: "a" },
        isDraining: true,
      },
    ]);
  });

  it("takes IPv6 in brackets, in the one spelling that Envoy reports, and keeps the brackets in the id [W9]", () => {
    const { specs } = parseEndpointItems(
      ["[FD00:0:0::1]:65535", "[::ffff:10.0.0.1]:80"],
      "endpoints",
    );
    expect(specs.map(({ id, host, port }) => [id, host, port])).toEqual([
      ["[fd00::1]:65535", "fd00::1", 65535],
      ["[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80],
    ]);
  });

  it.each([
    ["foo:80", 'endpoints[0] "foo:80": host must be an IPv4 or IPv6 address'],
    ["10.0.0.256:80", 'endpoints[0] "10.0.0.256:80": host must be an IPv4 or IPv6 address'],
    ["[10.0.0.1]:80", 'endpoints[0] "[10.0.0.1]:80": host must be an IPv4 or IPv6 address'],
    ["[fe80::1%eth0]:80", 'endpoints[0] "[fe80::1%eth0]:80": host must be an IPv4 or IPv6 address'],
    ["::1:80", 'endpoints[0] "::1:80": an IPv6 host must stand in brackets, like [fd00::1]:8000'],
    ["10.0.0.1", 'endpoints[0] "10.0.0.1": must be "ip:port" or "[ipv6]:port"'],
    ["10.0.0.1:", 'endpoints[0] "10.0.0.1:": port must be 1 to 65535'],
    ["10.0.0.1:0", 'endpoints[0] "10.0.0.1:0": port must be 1 to 65535'],
    ["10.0.0.1:080", 'endpoints[0] "10.0.0.1:080": port must be 1 to 65535'],
    ["10.0.0.1:65536", 'endpoints[0] "10.0.0.1:65536": port must be 1 to 65535'],
    [7, 'endpoints[0] 7: must be "ip:port" or an object with an address'],
    [null, 'endpoints[0] null: must be "ip:port" or an object with an address'],
    [{ id: "a" }, 'endpoints[0].address nothing: must be a string "ip:port" or "[ipv6]:port"'],
  ])("refuses %j and names the value and the rule", (item, problem) => {
    expect(problemsOf(item)).toEqual([problem]);
  });

  it.each([
    [{ id: "" }, 'endpoints[0].id "": must be 1 to 128 visible ASCII characters'],
    [{ id: "a b" }, 'endpoints[0].id "a b": must be 1 to 128 visible ASCII characters'],
    [{ id: "é" }, 'endpoints[0].id "é": must be 1 to 128 visible ASCII characters'],
    [{ weight: "2" }, 'endpoints[0].weight "2": must be a number from -1000000 to 1000000'],
    [{ weight: Number.NaN }, "endpoints[0].weight null: must be a number from -1000000 to 1000000"],
    [
      { weight: 1_000_000.5 },
      "endpoints[0].weight 1000000.5: must be a number from -1000000 to 1000000",
    ],
    [{ draining: "yes" }, 'endpoints[0].draining "yes": must be true or false'],
    [{ labels: ["a"] }, 'endpoints[0].labels ["a"]: must be an object of strings'],
    [
      { labels: { zone: 1 } },
      "endpoints[0].labels.zone 1: must be a string of at most 128 characters",
    ],
    [
      { labels: { "": "a" } },
      'endpoints[0].labels "": a label\'s name must be 1 to 128 characters',
    ],
    [
      { wieght: 2 },
      "endpoints[0].wieght: unknown key, expected address, id, weight, labels, draining",
    ],
  ])("refuses the field %j", (fields, problem) => {
    expect(problemsOf({ address: "10.0.0.1:80", ...fields })).toEqual([problem]);
  });

  it("takes each field at its limit and refuses it one above", () => {
    const labels = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, "v"]));
    const at = (fields: object) => problemsOf({ address: "10.0.0.1:80", ...fields }).length;
    expect([at({ id: "i".repeat(128) }), at({ id: "i".repeat(129) })]).toEqual([0, 1]);
    expect([at({ weight: 1_000_000 }), at({ weight: -1_000_000 }), at({ weight: 0 })]).toEqual([
      0, 0, 0,
    ]);
    expect([at({ labels: labels(32) }), at({ labels: labels(33) })]).toEqual([0, 1]);
    expect([
      at({ labels: { k: "v".repeat(128) } }),
      at({ labels: { k: "v".repeat(129) } }),
    ]).toEqual([0, 1]);
  });

  it("takes 10,000 endpoints and refuses one more", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => `10.0.${n >> 8}.${n & 255}:80`);
    expect(parseEndpointItems(many(endpointLimits.endpoints), "endpoints").specs).toHaveLength(
      10_000,
    );
    expect(problemsOf(...many(10_001))).toEqual([
      "endpoints: has 10001 endpoints, at most 10000 are allowed",
    ]);
  });

  it("tells every problem of every item, and gives out no half of a list", () => {
    const { specs, problems } = parseEndpointItems(
      ["10.0.0.1:80", { address: "foo:0", id: "", draining: 1 }, "bar"],
      "pools[2].endpoints",
    );
    expect(specs).toEqual([]);
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      'pools[2].endpoints[1].address "foo',
      'pools[2].endpoints[1].address "foo',
      'pools[2].endpoints[1].id ""',
      "pools[2].endpoints[1].draining 1",
      'pools[2].endpoints[2] "bar"',
    ]);
  });

  it("refuses an address or an id that is there twice, in any spelling", () => {
    expect(problemsOf("[::1]:80", "[0:0::1]:80")).toEqual([
      'endpoints[1] "[::1]:80": is the address of endpoints[0] already',
    ]);
    expect(
      problemsOf({ address: "10.0.0.1:80", id: "a" }, { address: "10.0.0.2:80", id: "a" }),
    ).toEqual(['endpoints[1] "a": is the id of endpoints[0] already']);
  });

  it("refuses what is no list", () => {
    expect(parseEndpointItems({}, "endpoints").problems).toEqual(["endpoints: must be a list"]);
    expect(parseEndpointItems(undefined, "endpoints").problems).toEqual([
      "endpoints: must be a list",
    ]);
  });

  it("shows no more than the beginning of a huge value", () => {
    expect(problemsOf("x".repeat(1_000_000))[0]?.length).toBeLessThan(200);
  });
});
