/** The listener: its limits, its certificate, and what it keeps to itself. */
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";

import { systemClock } from "../../src/clock.ts";
import { openTlsFiles } from "../../src/extproc/tls.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { certificateFile, readCertificate, TlsFolder } from "../support/tls/certificates.ts";
import { type ApiBench, promptOf } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

const benches = new ApiBenches(CATALOGS[0]);
afterEach(() => benches.close());

async function plan({ url }: ApiBench, body: string) {
  const response = await fetch(`${url}/v1/sessions/a/plan`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  return { status: response.status, body: (await response.json()) as unknown };
}

describe("limits", () => {
  it("takes a body of tokens up to the configured length, and other bodies up to 64 KiB", async () => {
    const { bench } = await benches.openWithSession({ bodyLimitBytes: 100_000 });
    const padded = (path: string, bytes: number) =>
      fetch(bench.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}".padEnd(bytes),
      });
    const plans = "/v1/sessions/a/plan";
    expect((await padded(plans, 100_000)).status).toBe(400);
    const refused = await padded(plans, 100_001);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ code: "body_too_large" });
    expect((await padded("/v1/sessions", 65_536)).status).toBe(400);
    expect((await padded("/v1/sessions", 65_537)).status).toBe(413);
  });

  it("takes a prompt of 1,048,576 tokens and none that is longer", async () => {
    const { bench } = await benches.openWithSession();
    const body = (tokens: number) => JSON.stringify({ prompt: { ids: Array(tokens).fill(1) } });
    let isAnswered = false;
    const longest = plan(bench, body(1_048_576)).finally(() => (isAnswered = true));
    // Between the slices that are hashed, the desk rests: by the clock of the test.
    while (!isAnswered) await bench.turns.clock.advance(0);
    expect((await longest).status).toBe(200);
    expect(await plan(bench, body(1_048_577))).toMatchObject({
      status: 400,
      body: {
        errors: [
          {
            field: "prompt.ids",
            value: "a list of 1048577",
            limit: "a list of at most 1048576 token ids",
          },
        ],
      },
    });
  }, 30_000);

  it.each(["prompt.grid", "fresh_kv_cache"])(
    "tells a %s of very many wrong items in one line",
    async (field) => {
      const { bench } = await benches.openWithSession();
      const wrong = Array(100_000).fill({});
      const response = await fetch(`${bench.url}/v1/turns/t/commit`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(
          field === "prompt.grid"
            ? { prompt: { grid: wrong }, fresh_kv_cache: [] }
            : { prompt: promptOf("one"), fresh_kv_cache: wrong },
        ),
      });
      expect(await response.json()).toMatchObject({
        errors: [{ field, value: "a list of 100000" }],
      });
    },
  );

  it("reads prompts of 32 bodies of the greatest length at a time, and the next when these are gone", async () => {
    const { bench } = await benches.openWithSession({ bodyLimitBytes: 1_000 });
    const port = Number(new URL(bench.url).port);
    const head =
      "POST /v1/sessions/a/plan HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    const unfinished = Array.from({ length: 32 }, () => connect(port, "127.0.0.1"));
    for (const [at, socket] of unfinished.entries()) {
      // A length that is not announced counts as the greatest.
      socket.write(
        `${head}${at % 2 ? "content-length: 1000" : "transfer-encoding: chunked"}\r\n\r\n`,
      );
    }
    const one = JSON.stringify({ prompt: { ids: [1] } });
    await vi.waitUntil(async () => (await plan(bench, one)).status === 503);
    expect(await plan(bench, one)).toMatchObject({ body: { code: "busy" } });
    unfinished.forEach((socket) => socket.destroy());
    await vi.waitUntil(async () => (await plan(bench, one)).status === 200);
  });

  it("takes JSON and nothing else", async () => {
    const { bench } = await benches.openWithSession();
    for (const type of ["text/plain", "application/xml"]) {
      const response = await fetch(`${bench.url}/v1/sessions`, {
        method: "POST",
        headers: { "content-type": type },
        body: "{}",
      });
      expect(await response.json()).toMatchObject({ status: 415, code: "media_type_unsupported" });
    }
  });

  it("tells at most 16 fields of one request", async () => {
    const { bench } = await benches.openWithSession();
    const unknown = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x${at}`, at]));
    const { error } = await bench.client().POST("/v1/sessions", {
      body: { model: "small", ...unknown },
    });
    expect(error?.errors?.map(({ field }) => field)).toEqual(Object.keys(unknown).slice(0, 16));

    const empty = Array(64).fill({}) as never[];
    const { error: parts } = await bench.client().POST("/v1/turns/{turn}/commit", {
      params: { path: { turn: "t" } },
      body: { prompt: promptOf("one"), output_ids: [], fresh_kv_cache: empty },
    });
    expect(parts?.errors).toHaveLength(16);
  });
});

it("keeps the text of an unexpected error in the log", async () => {
  const { bench, client } = await benches.openWithSession({
    ports: {
      quotas: {
        quota: () => {
          throw new Error("secret detail");
        },
      },
    },
  });
  const { response, error } = await client.GET("/v1/usage");
  expect(response.status).toBe(500);
  expect(error).toEqual({
    type: "urn:moorline:problem:internal",
    title: "A fault of Moorline",
    status: 500,
    detail: "internal error",
    code: "internal",
  });
  expect(bench.logged.splice(0)).toEqual([expect.stringContaining("secret detail")]);
});

describe("the listener", () => {
  it("says which address is taken, and leaves nothing open", async () => {
    const { bench } = await benches.openWithSession();
    const port = Number(new URL(bench.url).port);
    await expect(benches.open({ port })).rejects.toMatchObject({
      code: "listen_failed",
      message: `kv.listen 127.0.0.1:${port} is taken: another process listens there`,
    });
  });

  it("closes once, however often it is asked to", async () => {
    const { bench } = await benches.openWithSession();
    await bench.server.close();
    await bench.server.close();
    await expect(fetch(bench.url)).rejects.toThrow("fetch failed");
  });
});

describe("TLS", () => {
  async function open(clientCaFile?: string) {
    const folder = await TlsFolder.create("first-server");
    onTestFinished(() => folder.remove());
    const errors: unknown[] = [];
    const tls = await openTlsFiles(
      { ...folder.paths, clientCaFile },
      { scheduler: systemClock, onError: (error) => errors.push(error) },
    );
    onTestFinished(() => tls.close());
    const bench = await benches.open({ tls });
    return { bench, folder, tls };
  }

  async function ask({ server }: ApiBench, options: RequestOptions) {
    const url = `https://${server.address}/v1/usage`;
    return new Promise<string>((resolve, reject) => {
      httpsRequest(url, { servername: "localhost", agent: false, ...options })
        .on("response", (response) => resolve(text(response)))
        .on("error", reject)
        .end();
    });
  }

  it("serves with the certificate of the files, and with a new one from then on", async () => {
    const { bench, folder, tls } = await open();
    const first = await readCertificate("first-ca.crt");
    const second = await readCertificate("second-ca.crt");
    expect(JSON.parse(await ask(bench, { ca: first }))).toMatchObject({ tenant: "" });
    const renewed = new Promise((resolve) => tls.subscribe(resolve));
    await folder.install("second-server");
    await renewed;
    expect(JSON.parse(await ask(bench, { ca: second }))).toMatchObject({ tenant: "" });
    await expect(ask(bench, { ca: first })).rejects.toThrow(/certificate/);
  });

  it("asks for a client's certificate where an authority for it is configured", async () => {
    const { bench } = await open(certificateFile("first-ca.crt"));
    const ca = await readCertificate("first-ca.crt");
    const cert = await readCertificate("first-client.crt");
    const key = await readCertificate("first-client.key");
    expect(JSON.parse(await ask(bench, { ca, cert, key }))).toMatchObject({ tenant: "" });
    await expect(ask(bench, { ca })).rejects.toThrow();
  });
});
