/** 10,000 requests that the API must not take: each is answered with what is wrong with it, and nothing else happens. */
import fc from "fast-check";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, it } from "vitest";

import { PROBLEMS, type ProblemDocument } from "../../src/http/problem.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import type { ApiBench } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";
import { malformed, type Malformed } from "./malformed.ts";

const REQUESTS = Number(process.env["API_FUZZ_REQUESTS"] ?? 10_000);
const seed = Number(process.env["API_FUZZ_SEED"] ?? randomInt(2 ** 31));
const BATCH = 100;
const TIMEOUT_MS = 120_000;

const benches = new ApiBenches(CATALOGS[0]);
afterEach(() => benches.close());

/** What is wrong with the answer; undefined if nothing is. */
async function faultOf({ url }: ApiBench, request: Malformed): Promise<string | undefined> {
  const { method, path, body, contentType = "application/json" } = request;
  const hasBody = body !== undefined;
  const response = await fetch(url + path, {
    method,
    ...(hasBody ? { headers: { "content-type": contentType } } : {}),
    ...(hasBody ? { body: typeof body === "string" ? body : JSON.stringify(body) } : {}),
  });
  const answer = await response.text();
  const { status } = response;
  if (status < 400 || status > 499) return `status ${status}: ${answer}`;
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) return `content type ${type}`;
  const problem = JSON.parse(answer) as ProblemDocument;
  const { status: expected, title } = PROBLEMS[problem.code];
  if (problem.status !== status || expected !== status) return `status ${status}: ${answer}`;
  if (problem.title !== title || problem.type !== `urn:moorline:problem:${problem.code}`)
    return answer;
  if (answer.length > 16_384) return `an answer of ${answer.length} characters`;
  return request.field === undefined ? undefined : faultOfField(problem, request);
}

function faultOfField(problem: ProblemDocument, { field = "", isMissing = false }: Malformed) {
  const named = problem.errors?.find((error) => error.field.startsWith(field));
  if (named === undefined) return `names ${problem.errors?.map((error) => error.field).join()}`;
  if (named.limit === "" || !named.message.includes(named.limit)) return `limit ${named.limit}`;
  if (!named.message.startsWith(named.field)) return `message ${named.message}`;
  if (isMissing === (named.value === undefined)) return undefined;
  return `value ${named.value}`;
}

it(
  `tells what is wrong with each of ${REQUESTS} malformed requests of seed ${seed}`,
  async () => {
    const { bench, client } = await benches.openWithSession();
    const before = await client.GET("/v1/sessions");
    const batches = fc.array(malformed, { minLength: BATCH, maxLength: BATCH });
    const property = fc.asyncProperty(batches, async (requests) => {
      const faults = await Promise.all(
        requests.map(async (request) => {
          const fault = await faultOf(bench, request);
          return fault === undefined ? [] : [`${fault} for ${JSON.stringify(request)}`];
        }),
      );
      expect(faults.flat()).toEqual([]);
    });
    await fc.assert(property, { seed, numRuns: Math.ceil(REQUESTS / BATCH), endOnFailure: true });
    expect((await client.GET("/v1/sessions")).data).toEqual(before.data);
  },
  TIMEOUT_MS,
);

it(`answers or cuts what is no HTTP, of seed ${seed}`, async () => {
  const { bench, client } = await benches.openWithSession();
  const port = Number(new URL(bench.url).port);
  const lines = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc.string().map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nhost: x\r\nbad header\r\n`)),
    fc.constant(Buffer.from(`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(9_999)}`)),
    fc.constant(Buffer.from("POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n")),
  );
  const property = fc.asyncProperty(lines, async (bytes) => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => {}); // it may be cut
    socket.end(Buffer.concat([bytes, Buffer.from("\r\n\r\n")]));
    const answer = await text(socket).catch(() => "");
    expect(answer).toMatch(/^($|HTTP\/1\.1 4\d\d )/);
  });
  await fc.assert(property, { seed, numRuns: 200 });
  expect((await client.GET("/v1/usage")).response.status).toBe(200);
});
