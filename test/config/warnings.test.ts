import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { configWarnings } from "../../src/config/warnings.ts";
import { kvText, location } from "../support/kv-config.ts";

function warningsOf(extproc: string): readonly string[] {
  const text = `extproc: { ${extproc} }\npools: [{ name: default, endpoints: [] }]`;
  return configWarnings(parseConfig(text, { path: "/etc/moorline.yaml" }));
}

const listen =
  'listen: ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/m.sock", "0.0.0.0:1", "[::]:1"]';

it("ext_proc listeners that others reach are warned of, where no client certificate is asked for", () => {
  const expected = [
    expect.stringMatching(/^extproc\.listen\[4\] 0\.0\.0\.0:1 is no loopback, /),
    expect.stringMatching(/^extproc\.listen\[5\] \[::\]:1 is no loopback, /),
  ];
  expect(warningsOf(listen)).toEqual(expected);
  expect(warningsOf(`${listen}, tls: { certFile: c, keyFile: k }`)).toEqual(expected);
});

it("nothing is warned of with client certificates, nor of the defaults", () => {
  expect(warningsOf(`${listen}, tls: { certFile: c, keyFile: k, clientCaFile: a }`)).toEqual([]);
  expect(warningsOf("")).toEqual([]);
});

it("a KV listener that others reach is warned of where it has no TLS", () => {
  const warningsWith = (kv: string) =>
    configWarnings(
      parseConfig(kvText({ kv, top: "admin: { tokenFile: t }" }), { path: "/etc/moorline.yaml" }),
    );
  const listening = 'listen: "0.0.0.0:9004"';
  expect(warningsWith(listening)).toEqual([
    expect.stringMatching(/^kv\.listen 0\.0\.0\.0:9004 is no loopback, .* plain text/),
  ]);
  expect(warningsWith(`${listening}\ntls: { certFile: c, keyFile: k }`)).toEqual([]);
  expect(warningsWith("")).toEqual([]);
});

it("a pool that would store KV is warned of where no KV service is configured", () => {
  const text = kvText({}).replace(/kv:\n.*/s, "");
  expect(configWarnings(parseConfig(text, { path: "/etc/moorline.yaml" }))).toEqual([
    "pools[0].kv has no effect, because there is no kv section",
  ]);
});

describe("labels", () => {
  const path = "/etc/moorline.yaml";
  const at = (...labels: string[]) =>
    labels.map((each, index) => `{ address: "10.0.0.${index + 1}:80", labels: {${each}} }`).join();
  const reached = (endpoints: string, ...locations: string[]) => {
    const text = kvText({ locations: locations.join() });
    return parseConfig(text.replace("endpoints: []", endpoints), { path });
  };
  const node = (name: string, keys = "") =>
    location(name, `root: ${name}, labels: { node: ${name} }${keys}`);

  it("that leave a location to no endpoint are warned of", () => {
    expect(
      configWarnings(reached(`endpoints: [${at("node: a", "node: a")}]`, node("a"), node("b"))),
    ).toEqual([
      "kv.locations[1] b is reached by no endpoint of a pool with kv: nothing is stored there or loaded from there",
    ]);
  });

  it("that leave an endpoint without a location are warned of", () => {
    expect(
      configWarnings(reached(`endpoints: [${at("node: a", "node: b", "")}]`, node("a"))),
    ).toEqual([
      "endpoint 10.0.0.2:80 and 1 more reaches none of kv.locations: its turns load and store nothing",
    ]);
  });

  it("are fine where all is reached, or meant not to be", () => {
    const config = reached(
      `endpoints: [${at("node: a", "")}]`,
      node("a"),
      location("s"),
      node("b", ", engines: false"),
    );
    expect(configWarnings(config)).toEqual([]);
  });

  it("of endpoints in a file are judged where the file is read", () => {
    const config = reached("endpointsFile: e.yaml", node("a"));
    expect(configWarnings(config)).toEqual([]);
    const read = reached(`endpoints: [${at("node: b")}]`, node("a")).pools[0]?.source;
    const endpoints = read?.kind === "static" ? read.endpoints : expect.unreachable();
    expect(configWarnings(config, [endpoints])).toHaveLength(2);
  });
});
