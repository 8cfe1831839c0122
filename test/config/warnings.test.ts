import { expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { configWarnings } from "../../src/config/warnings.ts";
import { kvText } from "../support/kv-config.ts";

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
