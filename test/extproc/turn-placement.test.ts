/** A turn's request for a pool whose endpoints are not all the same to it. */
import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";

import { DESTINATION, headersOf, poolOf, threeReady } from "../support/exchange-harness.ts";
import { modes, posted } from "../support/exchange-messages.ts";
import { setUpTurns } from "../support/turn-harness.ts";

const DUPLEX = modes("FULL_DUPLEX_STREAMED");
const ADDRESSES = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];

/** Where one turn of the session is sent first, with what was asked of the pool. */
async function turn(turns: ReturnType<typeof setUpTurns>, mode?: typeof DUPLEX) {
  const exchange = turns.open();
  const before = turns.turns.log.length;
  await exchange.send(posted({ "x-session-id": "s" }, mode));
  await exchange.send({ request_body: { body: Buffer.from("{}"), end_of_stream: true } });
  await setImmediate();
  const sent = exchange.replies.map((reply) => headersOf(reply)[DESTINATION]);
  const to = sent.find((each) => each !== undefined)?.split(",")[0];
  return { to, log: turns.turns.log.slice(before).filter((line) => !line.startsWith("read")) };
}

it.each([
  ["is asked for its body", undefined],
  ["streams it in full duplex", DUPLEX],
])("a new session of an Envoy that %s goes where its turn costs least", async (_, mode) => {
  for (const address of ADDRESSES) {
    const turns = setUpTurns();
    turns.turns.costs = Object.fromEntries(ADDRESSES.map((each) => [each, 5]));
    turns.turns.costs = { ...turns.turns.costs, [address]: 1 };
    expect(await turn(turns, mode)).toEqual({ to: address, log: ["weigh s", "begin s"] });
  }
});

it("a session that has an endpoint stays there, and its turn is not weighed", async () => {
  const turns = setUpTurns();
  const { to: first } = await turn(turns);
  const other = ADDRESSES.find((address) => address !== first) ?? "";
  turns.turns.costs = { [first ?? ""]: 5, [other]: 1 };
  expect(await turn(turns)).toEqual({ to: first, log: ["begin s"] });
});

it("nobody is sent anywhere while its turn is weighed, and a client that leaves then has no turn", async () => {
  const turns = setUpTurns();
  const gate = Promise.withResolvers<void>();
  turns.turns.gate = gate.promise;
  turns.turns.costs = {};
  const { exchange, body } = turns;
  await exchange.send(posted({ "x-session-id": "s" }, DUPLEX));
  expect(await body("{}")).toEqual([]);
  exchange.exchange.cancel();
  gate.resolve();
  await setImmediate();
  expect(exchange.replies).toEqual([]);
  expect(turns.turns.log).toEqual(["read /generate", "weigh s"]);
});

it("a session that was bound while another of its turns was weighed stays where it is, though the endpoint is newer", async () => {
  const pools = [poolOf("default", threeReady)];
  const turns = setUpTurns({}, { pools });
  const gate = Promise.withResolvers<void>();
  turns.turns.gate = gate.promise;
  turns.turns.costs = {};
  const early = turns.open();
  await early.send(posted({ "x-session-id": "s" }));
  await early.send({ request_body: { body: Buffer.from("{}"), end_of_stream: true } });
  await setImmediate();

  pools[0] = poolOf("default", { ...threeReady, "10.0.0.4:80": "ready" });
  turns.turns.gate = undefined;
  turns.turns.costs = Object.fromEntries(ADDRESSES.map((each) => [each, 5]));
  expect(await turn(turns)).toMatchObject({ to: "10.0.0.4:80" });
  gate.resolve();
  await setImmediate();
  expect(await turn(turns)).toEqual({ to: "10.0.0.4:80", log: ["begin s"] });
});
