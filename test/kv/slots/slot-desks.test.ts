/** Which desk is whose: one for each process behind an endpoint. */
import { beforeEach, describe, expect, it } from "vitest";
import { SlotDesks } from "../../../src/kv/slots/slot-desks.ts";
import type { SlotDesk } from "../../../src/kv/slots/slot-desk.ts";
import type { SlotServer } from "../../../src/kv/slots/slot-server.ts";
import { sessionOf, SlotStand, type StandOptions, text } from "../../support/kv/slot-stand.ts";
import { ENGINE_A, ENGINE_B } from "../../support/path-bench.ts";

let stands: Map<SlotServer, SlotStand>;
let desks: SlotDesks;

beforeEach(() => {
  stands = new Map();
  desks = new SlotDesks({
    open: (server) => stands.get(server)?.desk as SlotDesk,
    failed: (reason) => expect.unreachable(String(reason)),
  });
});

function process(options?: StandOptions): SlotStand {
  const stand = new SlotStand(options);
  stands.set(stand.server, stand);
  return stand;
}

it("is the same one for the same process, and none of another's", () => {
  const [a, b] = [process(), process()];
  expect(desks.of(ENGINE_A, a.server)).toBe(a.desk);
  expect(desks.of(ENGINE_B, b.server)).toBe(b.desk);
  expect(desks.of(ENGINE_A, a.server)).toBe(a.desk);
});

it("is over with its process", async () => {
  const [a, again] = [process(), process()];
  desks.of(ENGINE_A, a.server);
  desks.of(ENGINE_A, again.server);
  expect(await a.seat("s", text("a", 50))).toBe("engine_unknown");
  expect(await again.seat("s", text("a", 50))).toMatchObject({ from: "fresh" });
});

it("lets nobody wait for a slot of a process that is gone", async () => {
  const [a, b] = [process(), process()];
  const held = [];
  for (const { server } of [a, b]) desks.of(server === a.server ? ENGINE_A : ENGINE_B, server);
  for (const id of ["s", "t"]) held.push(await a.seated(id, text(id, 50)));
  const waiting = a.seat("u", text("u", 50));
  await desks.leave(a.server, 0);
  expect(await waiting).toBe("engine_unknown");
  expect(desks.load).toEqual({ residents: 0, waiting: 0 });
  for (const seat of held) seat.leave({ kind: "unknown" });
  expect(await b.seat("s", text("s", 50))).toMatchObject({ from: "fresh" });
});

it("counts who sits, and lets ended sessions go, wherever they are", async () => {
  const [a, b] = [process(), process()];
  desks.of(ENGINE_A, a.server);
  desks.of(ENGINE_B, b.server);
  await a.turn("s", text("a", 50));
  await b.turn("t", text("b", 50));
  expect(desks.load).toEqual({ residents: 2, waiting: 0 });
  desks.end(sessionOf("t"));
  await b.advance(1);
  expect(desks.load).toEqual({ residents: 1, waiting: 0 });
  expect(b.server.calls).toContain("erase 0");
});

it("saves what is newer than its file of a server that leaves, within that time", async () => {
  const [a, b] = ["a", "b"].map(() => process({ save: "on_evict" })) as [SlotStand, SlotStand];
  desks.of(ENGINE_A, a.server);
  desks.of(ENGINE_B, b.server);
  for (const stand of [a, b]) {
    for (const id of ["s", "t"]) await stand.turn(id, text(id, 50));
    stand.server.delaysMs.save = 600;
  }
  let isLeft = false;
  const left = desks.leave(a.server, 1_000).then(() => (isLeft = true));
  expect(await a.seat("s", text("s", 50))).toBe("engine_unknown");
  expect(desks.load).toEqual({ residents: 2, waiting: 0 });
  await a.advance(1_199);
  expect(isLeft).toBe(false);
  await a.advance(1);
  await left;
  expect(a.saves).toMatchObject([{ outcome: "kept" }, { outcome: "kept" }]);
  expect(b.saves).toEqual([]);
});

describe("a session that goes on at another server", () => {
  const GOES_ON = `${text("s", 50)} ${text("more", 10)}`;
  let [a, b]: [SlotStand, SlotStand] = [new SlotStand(), new SlotStand()];

  beforeEach(async () => {
    [a, b] = [process({ save: "on_evict" }), process({ save: "on_evict" })];
    desks.of(ENGINE_A, a.server);
    for (const id of ["s", "t"]) {
      await a.turn(id, text(id, 50));
      await a.advance(1);
    }
    a.server.delaysMs.save = 600;
  });

  const goesOn = () => desks.seat(ENGINE_B, b.server, b.request("s", GOES_ON));
  const saved = () => a.snapshots.kept.map(({ session }) => session.id);

  it("is not saved any more where it was: it would take the place of what is newer", async () => {
    expect(await goesOn()).toMatchObject({ from: "fresh" });
    const left = desks.leave(a.server, 2_000);
    await a.advance(2_000);
    await left;
    expect(saved()).toEqual(["t"]);
  });

  it("is not saved even while the server that it was at is being left", async () => {
    const left = desks.leave(a.server, 2_000);
    expect(await goesOn()).toMatchObject({ from: "fresh" });
    await a.advance(2_000);
    await left;
    expect(saved()).toEqual(["t"]);
  });

  it("is saved where it was if it gets no seat", async () => {
    for (const id of ["u", "v"]) await b.seated(id, text(id, 50));
    const refused = goesOn();
    await b.advance(10_000);
    expect(await refused).toBe("slots_busy");
    const left = desks.leave(a.server, 2_000);
    await a.advance(2_000);
    await left;
    expect(saved()).toEqual(["t", "s"]);
  });

  it("is where it was if it comes back", async () => {
    await goesOn();
    expect(await desks.seat(ENGINE_A, a.server, a.request("s", text("s", 50)))).toMatchObject({
      from: "resident",
    });
  });
});

it("saves nothing of a session that ends while its server is left", async () => {
  const stand = process({ save: "on_evict" });
  desks.of(ENGINE_A, stand.server);
  for (const id of ["s", "t"]) {
    await stand.turn(id, text(id, 50));
    await stand.advance(1);
  }
  stand.server.delaysMs.save = 600;
  const left = desks.leave(stand.server, 2_000);
  desks.end(sessionOf("s"));
  await stand.advance(2_000);
  await left;
  expect(stand.snapshots.kept.map(({ session }) => session.id)).toEqual(["t"]);
});

it("saves what is newer than its file before it is closed", async () => {
  const stand = process({ save: "on_evict" });
  desks.of(ENGINE_A, stand.server);
  await stand.turn("s", text("a", 50));
  expect(stand.saves).toEqual([]);
  await desks.close(1_000);
  expect(stand.saves).toMatchObject([{ outcome: "kept" }]);
});
