/** The ways by which Envoy reaches Moorline: a Unix socket, TLS, mutual TLS. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Bootstrap } from "../../envoy/bootstrap.ts";
import { send } from "../support/client.ts";
import { metric } from "../support/moorline-view.ts";
import { startStack } from "../support/stack.ts";
import type { Stack, StackOptions } from "../support/stack.ts";
import { readCertificate } from "../support/tls/certificates.ts";

let stack: Stack | undefined;
afterEach(() => stack?.close());

async function start(options: Partial<StackOptions>): Promise<Stack> {
  const engines = ["a", "b", "c"].map((name) => ({ name }));
  stack = await startStack({ bootstrap: "override-host", engines, ...options });
  return stack;
}

function ask({ url }: Stack, headers: Record<string, string>) {
  const body = { text: "hello", sampling_params: { max_new_tokens: 1 } };
  return send(url, { path: "/generate", headers, body });
}

/** What a client sees of ten turns of a session and of one without an id. */
async function converse(opened: Stack) {
  const turns = [];
  for (let turn = 0; turn < 10; turn++) turns.push(await ask(opened, { "x-session-id": "s" }));
  return {
    statuses: [...new Set(turns.map(({ status }) => status))],
    engines: new Set(turns.map(({ headers }) => headers["x-engine"])).size,
    mintedId: (await ask(opened, {})).headers["x-session-id"],
  };
}

/** What a request comes to where Envoy and Moorline do not get together. */
async function fail(opened: Stack) {
  const { status } = await ask(opened, { "x-session-id": "s" });
  return {
    isRefused: status === 500 || status === 504, // 504 while Envoy still tries to connect
    exchanges: await metric(opened.moorline, "moorline_exchanges_total"),
    engineRequests: opened.engines.flatMap(({ requests }) => requests),
  };
}

const apart = { isRefused: true, exchanges: 0, engineRequests: [] };

const moored = { statuses: [200], engines: 1, mintedId: expect.stringMatching(/^[0-9a-f-]{36}$/) };

describe("a Unix socket", () => {
  it("carries exchanges as a port does", async () => {
    const opened = await start({ listener: "socket" });
    expect(await converse(opened)).toEqual(moored);
    const stats = await opened.envoy.stats(/^cluster\.ext_proc\.upstream_cx/);
    expect(stats["cluster.ext_proc.upstream_cx_total"]).toBe(1);
    expect(stats["cluster.ext_proc.upstream_cx_connect_fail"]).toBe(0);
  });
});

const pem = async (name: string) => ({ inline_string: (await readCertificate(name)).toString() });

interface Trust {
  /** The authority that Envoy trusts. */
  readonly authority: "first" | "second";
  readonly hasClientCertificate?: true;
}

/** Envoy's side of TLS: checks the name `localhost`, and shows a certificate where it has one. */
async function tlsBootstrap({ authority, hasClientCertificate }: Trust) {
  const certificate = {
    certificate_chain: await pem("first-client.crt"),
    private_key: await pem("first-client.key"),
  };
  const context = {
    alpn_protocols: ["h2"],
    validation_context: {
      trusted_ca: await pem(`${authority}-ca.crt`),
      match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "localhost" } }],
    },
    ...(hasClientCertificate && { tls_certificates: [certificate] }),
  };
  const transportSocket = {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      sni: "localhost",
      common_tls_context: context,
    },
  };
  return ({ static_resources: { clusters } }: Bootstrap) => {
    const extproc = clusters.find(({ name }) => name === "ext_proc");
    Object.assign(extproc ?? {}, { transport_socket: transportSocket });
  };
}

/** Moorline with the first server's certificate; with `isMutual` it takes clients of the first authority alone. */
async function startWithTls(trust: Trust, isMutual: "mutual" | "one-sided"): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-"));
  const names = ["first-server.crt", "first-server.key", "first-ca.crt"];
  const paths = names.map((name) => join(folder, name));
  await Promise.all(
    names.map(async (name, index) => writeFile(paths[index] ?? "", await readCertificate(name))),
  );
  const [certFile, keyFile, clientCaFile] = paths;
  const tls = { certFile, keyFile, ...(isMutual === "mutual" && { clientCaFile }) };
  return start({
    folder,
    settings: () => ({ extproc: { tls } }),
    adapt: await tlsBootstrap(trust),
  });
}

describe("TLS", () => {
  it("carries exchanges to an Envoy that trusts our authority", async () => {
    const opened = await startWithTls({ authority: "first" }, "one-sided");
    expect(await converse(opened)).toEqual(moored);
    const stats = await opened.envoy.stats(/^cluster\.ext_proc\.ssl/);
    expect(stats["cluster.ext_proc.ssl.handshake"]).toBe(1);
  });

  it("carries none to an Envoy that trusts another: its requests fail, and reach no engine", async () => {
    const opened = await startWithTls({ authority: "second" }, "one-sided");
    expect(await fail(opened)).toEqual(apart);
    const stats = await opened.envoy.stats(/^cluster\.ext_proc\.ssl/);
    expect(stats["cluster.ext_proc.ssl.fail_verify_error"]).toBeGreaterThan(0);
  });
});

describe("mutual TLS", () => {
  it("carries exchanges of an Envoy that shows a certificate of our clients' authority", async () => {
    const trust = { authority: "first", hasClientCertificate: true } as const;
    expect(await converse(await startWithTls(trust, "mutual"))).toEqual(moored);
  });

  it("carries none of an Envoy that shows none", async () => {
    expect(await fail(await startWithTls({ authority: "first" }, "mutual"))).toEqual(apart);
  });
});
