/** More segments than one rule is given, in a catalog in memory. */
import { beforeEach, expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import { type SegmentId, segmentId } from "../../../src/kv/records.ts";
import {
  AT_ONCE,
  attachStepwise,
  createPrefixStepwise,
  visibleStepwise,
} from "../../../src/kv/turns/stepwise.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { condemn, key, KvDesk } from "../../support/kv-desk.ts";

const MANY = 2 * AT_ONCE + 1;
const prefix = { tenant: "t", name: "much" };
const refused = { kind: "refused", reason: "no_segment" };
let desk: KvDesk;
let catalog: Catalog;
let ids: readonly SegmentId[];

beforeEach(async () => {
  desk = new KvDesk(await openCatalog(new MemoryStore()));
  catalog = desk.catalog;
  const stored: SegmentId[] = [];
  for (let n = 0; n < MANY; n++) {
    await desk.create(`one-${n}`);
    stored.push(segmentId((await desk.store(`one-${n}`, String(n).padStart(4, "0"))).turn, 0));
  }
  ids = stored;
  await desk.create("all");
});

const attach = () => {
  const { trusts } = desk.reader("t");
  const listed = desk.listed(ids, "t");
  return attachStepwise(catalog, { session: key("all"), trusts, listed, nowMs: desk.nowMs });
};

it("attaches all of them, and tells what is new to the session", async () => {
  await desk.attach("all", ids.slice(0, 1));
  expect(await attach()).toMatchObject({
    kind: "attached",
    session: { segments: MANY },
    added: ids.slice(1),
  });
  expect(await catalog.segments(key("all"))).toHaveLength(MANY);
});

it("leaves a session as it was when one of the last is not there any more", async () => {
  await desk.attach("all", ids.slice(0, 1));
  await condemn(catalog, ids.at(-1) as SegmentId);
  expect(await attach()).toEqual(refused);
  expect((await catalog.segments(key("all"))).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(await catalog.audit()).toEqual([]);
});

it("attaches nothing to another session that has the id by the last of them", async () => {
  const { trusts } = desk.reader("t");
  const listed = desk.listed(ids, "t");
  let steps = 0;
  const restarting: Pick<Catalog, "attach" | "detach"> = {
    ...catalog,
    async attach(request) {
      if (++steps === 3) {
        desk.nowMs += 1;
        await catalog.end(key("all"), desk.nowMs);
        await desk.create("all");
      }
      return catalog.attach(request);
    },
  };
  const asked = { session: key("all"), trusts, listed, nowMs: desk.nowMs };
  const none = { kind: "refused", reason: "no_session" };
  expect(await attachStepwise(restarting, asked)).toEqual(none);
  expect(await catalog.segments(key("all"))).toEqual([]);
});

it("makes a prefix of all of them, or none", async () => {
  const request = desk.prefixRequest("t/much", ids);
  expect(await createPrefixStepwise(catalog, request)).toMatchObject({
    kind: "created",
    prefix: { segments: MANY },
  });
  await catalog.removePrefix(prefix, desk.nowMs);
  await desk.sweep();
  await condemn(catalog, ids.at(-1) as SegmentId);
  expect(await createPrefixStepwise(catalog, request)).toEqual(refused);
  await desk.sweep();
  expect(await createPrefixStepwise(catalog, desk.prefixRequest("t/much", ids.slice(1, 2))))
    // The name is free again.
    .toMatchObject({ kind: "created" });
});

it("looks at so many at a time, and gives the event loop away between", async () => {
  const clock = new FakeClock();
  const asked: number[] = [];
  const look = async (some: readonly SegmentId[]) => {
    asked.push(some.length);
    return catalog.visibleSegments(desk.reader("t"), some, desk.nowMs);
  };
  const looking = visibleStepwise(look, ids, clock);
  await clock.advance(0);
  await clock.advance(0);
  expect((await looking)?.map(({ id }) => id)).toEqual(ids);
  expect(asked).toEqual([AT_ONCE, AT_ONCE, 1]);
  await condemn(catalog, ids[0] as SegmentId);
  expect(await visibleStepwise(look, ids, clock)).toBeUndefined();
});
