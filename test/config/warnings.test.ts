import { expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { configWarnings } from "../../src/config/warnings.ts";

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
