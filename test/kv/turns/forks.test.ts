import { afterEach, describe, expect, it } from "vitest";

import { KvDesk } from "../../support/kv-desk.ts";
import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

/** More than two steps of a fork. */
const MANY = 140;

describe.each(CATALOGS)("forks over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it("list all that their parent does, however much that is", async () => {
    const { catalog, sessions } = await benches.open();
    const desk = new KvDesk(catalog);
    await desk.create("/long");
    for (let n = 0; n < MANY; n++) await desk.store("/long", String(n).padStart(4, "0"));
    const outcome = await sessions.fork(session("long"), "fork");
    expect(outcome).toMatchObject({ kind: "created", session: { segments: MANY } });
    expect(await catalog.segments(session("fork"))).toHaveLength(MANY);
  });
});
