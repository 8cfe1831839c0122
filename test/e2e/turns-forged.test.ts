/**
 * Forged members through a real Envoy, in every form, on every path and by every way of sending: what reaches an engine has the
 * service's own members or none. Bodies of any shape: test/kv/dialects/requests/forged-bodies.test.ts.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { beforeAll, describe, expect, it } from "vitest";
import { Forger } from "../kv/dialects/requests/forger.ts";
import { send, type ClientResponse } from "../support/client.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";
import {
  CONTENT_TYPES,
  encodedRequests,
  forbiddenKeys,
  forgedTexts,
  METHODS,
  namesVictim,
  paddedTexts,
  PATHS,
  unreadableRequests,
  unshownRequests,
  type ForgedRequest,
} from "../support/forged-requests.ts";
import { metric } from "../support/moorline-view.ts";
import { seededRandom } from "../support/random.ts";

const SEED = 5;
const RANDOM_BODIES = 150;
const AT_ONCE = 8;
const CASE = "x-case";
/** Said in the header too: of methods that have no body by default, a client would send it bare. */
const CHUNKED = { isChunked: true, headers: { "transfer-encoding": "chunked" } };

describe.each(["sglang-session", "sglang-explicit"] as const)("%s", (dialect) => {
  let stack: ComputingStack;

  beforeAll(async () => {
    stack = await startComputingStack({ engines: ["a"], turns: { dialect } });
    return async () => stack.close();
  });

  const received = () => stack.engines.get("a")?.received ?? [];

  /** What came of it at the engine; undefined: it did not come there. */
  const bodyOf = (name: string) => received().find(({ headers }) => headers[CASE] === name)?.body;

  async function ask(name: string, request: ForgedRequest): Promise<ClientResponse> {
    const headers = { ...request.headers, [CASE]: name, "x-session-id": `${dialect}-${name}` };
    return send(stack.url, { ...request, headers });
  }

  async function refusalOf(title: string, request: ForgedRequest) {
    const name = title.replaceAll(/\W/g, "-");
    const { status, headers } = await ask(name, request);
    expect(bodyOf(name)).toBeUndefined();
    return [status, headers["x-moorline-reason"]];
  }

  /** Where it came to the engine, nothing forged did. */
  function expectClean(name: string, status: number): void {
    const body = bodyOf(name);
    if (body === undefined) {
      expect([name, status]).toEqual([name, 400]);
      return;
    }
    const forged = namesVictim(body) ? ["the URI"] : foreignKeys(body);
    expect([name, forged]).toEqual([name, []]);
  }

  it("lets none of the forged members through, whatever the form, the path, the method, the type and the way [T6]", async () => {
    const random = seededRandom(SEED);
    const forger = new Forger(random);
    const texts = [...forgedTexts(), ...paddedTexts].map((each) => Buffer.from(each));
    const bodies = [...texts, ...Array.from({ length: RANDOM_BODIES }, () => forger.body())];
    const ways = [{}, CHUNKED, { protocol: "h2" }] as const;
    const cases = bodies
      .map((each) => Buffer.from(each))
      .map((body, at): readonly [string, ForgedRequest] => {
        const [path, method] = [forger.pick(PATHS), forger.pick(METHODS)];
        const type = forger.pick(CONTENT_TYPES);
        const way = forger.pick<Partial<ForgedRequest>>(ways);
        const headers = { ...way.headers, ...(type !== "" && { "content-type": type }) };
        return [`${at}`, { ...way, path, method, headers, body }];
      });
    await inTurns(cases, async ([name, request]) =>
      expectClean(name, (await ask(name, request)).status),
    );
    const came = cases.filter(([name]) => bodyOf(name) !== undefined);
    console.log(`seed ${SEED}: ${cases.length} forged requests, ${came.length} came through clean`);
    expect(came.length).toBeGreaterThan(forgedTexts().length);
    expect(await metric(stack.moorline, "moorline_exchange_failures_total")).toBe(0);
  });

  it("lets none through on the path of turns, from which the engine is told of the turn alone [T6]", async () => {
    const cases = forgedTexts().map((each, at) => [`turn-${at}`, Buffer.from(each)] as const);
    await inTurns(cases, async ([name, body]) => {
      const { status } = await ask(name, { path: "/generate", method: "POST", headers: {}, body });
      expect([name, bodyOf(name) === undefined]).toEqual([name, false]);
      expectClean(name, status);
    });
  });

  it.each(encodedRequests)("refuses %s: it cannot be read", async (name, request) => {
    expect(await refusalOf(name, request)).toEqual([415, "body_encoded"]);
  });

  it.each(unreadableRequests)("refuses %s: it is no JSON", async (name, request) => {
    expect(await refusalOf(name, request)).toEqual([400, "body_invalid"]);
  });

  it.each(unshownRequests)(
    "is not shown %s, which Envoy refuses",
    async (name, status, request) => {
      expect(await refusalOf(name, request)).toEqual([status, undefined]);
    },
  );

  it("reads a body whole that comes byte by byte [T6]", async () => {
    const forged = forgedTexts()[1] ?? "";
    const chunks = Array.from(
      Buffer.from(forged),
      (byte) => `1\r\n${String.fromCharCode(byte)}\r\n`,
    );
    const head = `POST /generate HTTP/1.1\r\nhost: a\r\n${CASE}: bytes\r\nconnection: close\r\n`;
    const socket = connect(Number(new URL(stack.url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.setNoDelay(true);
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
    for (const chunk of [...chunks, "0\r\n\r\n"]) socket.write(chunk);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expectClean("bytes", 200);
  });
});

type Member = Readonly<Record<string, unknown>>;

interface OwnMembers {
  readonly session_params?: Member;
  readonly kvcache_params?: Member;
  readonly kv_transfer_params?: { readonly kvcache_params?: Member };
}

/** The keys of a body that are not where the service has put them. */
function foreignKeys(body: Buffer): readonly string[] {
  const keys = forbiddenKeys(body);
  if (keys.length === 0) return [];
  const parsed = JSON.parse(body.toString()) as OwnMembers;
  const { session_params: session, kvcache_params: explicit, kv_transfer_params: chat } = parsed;
  const own = [session, explicit, chat?.kvcache_params].find((each) => isOurs(each?.["id"])) ?? {};
  const written = Object.keys(own).concat(own === session ? [] : "kvcache_params");
  return keys.filter((key) => {
    const at = written.indexOf(key);
    if (at >= 0) written.splice(at, 1);
    return at < 0;
  });
}

function isOurs(id: unknown): boolean {
  return typeof id === "string" && id.startsWith("moorline-");
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
