import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EdsFile, edsPath } from "../../src/endpoints/eds-file.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { poolOf } from "../support/pool-snapshots.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-eds-"));
});
afterEach(() => rm(folder, { recursive: true }));

function openFile(path = join(folder, "eds.json")) {
  const clock = new FakeClock();
  const events: string[] = [];
  const file = new EdsFile({
    path,
    scheduler: clock,
    observer: {
      written: () => events.push("written"),
      failed: (_path, error) => events.push(`failed ${(error as NodeJS.ErrnoException).code}`),
    },
  });
  return { file, path, clock, events };
}

/** The members as `address port status`. */
async function membersIn(path: string): Promise<readonly string[]> {
  const { resources } = JSON.parse(await readFile(path, "utf8")) as {
    resources: [{ endpoints: [{ lb_endpoints: readonly Member[] }] }];
  };
  return resources[0].endpoints[0].lb_endpoints.map(({ health_status, endpoint }) => {
    const { address, port_value } = endpoint.address.socket_address;
    return `${address} ${port_value} ${health_status}`;
  });
}

interface Member {
  readonly health_status: string;
  readonly endpoint: { address: { socket_address: { address: string; port_value: number } } };
}

describe("the EDS file", () => {
  it("holds one assignment, for the cluster that has the pool's name", async () => {
    const { file, path } = openFile();
    file.publish(poolOf({ a: {} }, { name: "llama" }));
    await file.idle();
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual({
      version_info: "1",
      resources: [
        {
          "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
          cluster_name: "llama",
          endpoints: [
            {
              lb_endpoints: [
                {
                  health_status: "HEALTHY",
                  endpoint: {
                    address: { socket_address: { address: "10.0.0.1", port_value: 8000 } },
                  },
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it("lists every endpoint, and tells the fallback policy to use only those that are ready", async () => {
    const { file, path } = openFile();
    file.publish(
      poolOf({
        a: {},
        b: { state: "down" },
        c: { state: "draining" },
        d: { weight: 0 },
        e: { host: "fd00::1" },
      }),
    );
    await file.idle();
    expect(await membersIn(path)).toEqual([
      "10.0.0.1 8000 HEALTHY",
      "10.0.0.2 8000 UNHEALTHY",
      "10.0.0.3 8000 DRAINING",
      "10.0.0.4 8000 DRAINING",
      "fd00::1 8000 HEALTHY",
    ]);
  });

  it("is written for an empty pool too, because Envoy wants it to exist", async () => {
    const { file, path } = openFile();
    file.publish(poolOf({}));
    await file.idle();
    expect(await membersIn(path)).toEqual([]);
  });

  it("leaves out an endpoint that was removed but still has its place on the ring", async () => {
    const { file, path } = openFile();
    const snapshot = poolOf({ a: {}, b: { state: "down" } });
    const byId = new Map([...snapshot.byId].filter(([id]) => id !== "b"));
    file.publish({ ...snapshot, byId });
    await file.idle();
    expect(await membersIn(path)).toEqual(["10.0.0.1 8000 HEALTHY"]);
  });

  it("is written once for snapshots that come during a write, with the newest", async () => {
    const { file, path, events } = openFile();
    file.publish(poolOf({ a: {} }));
    file.publish(poolOf({ b: { state: "down" } }));
    file.publish(poolOf({ c: { port: 9 } }));
    await file.idle();
    expect(events).toEqual(["written", "written"]);
    expect(await membersIn(path)).toEqual(["10.0.0.1 9 HEALTHY"]);
  });

  it("is left alone when Envoy would see nothing new", async () => {
    const { file, events } = openFile();
    file.publish(poolOf({ a: {} }));
    await file.idle();
    file.publish({ ...poolOf({ a: { weight: 7 } }), generation: 2 });
    await file.idle();
    expect(events).toEqual(["written"]);
    file.publish(poolOf({ a: { port: 9 } }));
    await file.idle();
    expect(events).toEqual(["written", "written"]);
  });

  it("is replaced whole, with nothing left beside it", async () => {
    const { file } = openFile();
    file.publish(poolOf({ a: {} }));
    await file.idle();
    file.publish(poolOf({ a: {}, b: {} }));
    await file.idle();
    expect(await readdir(folder)).toEqual(["eds.json"]);
  });

  it("that cannot be written is tried again with the next change", async () => {
    const { file, path, events } = openFile(join(folder, "later", "eds.json"));
    file.publish(poolOf({ a: {} }));
    await file.idle();
    expect(events).toEqual(["failed ENOENT"]);
    await mkdir(join(folder, "later"));
    file.publish(poolOf({ a: {}, b: {} }));
    await file.idle();
    expect(events).toEqual(["failed ENOENT", "written"]);
    expect(await membersIn(path)).toHaveLength(2);
  });

  it("that cannot be written is tried again after a growing wait of at most ten seconds", async () => {
    const { file, clock, events } = openFile(join(folder, "later", "eds.json"));
    file.publish(poolOf({ a: {} }));
    await file.idle();
    for (const waitMs of [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
      const before = events.length;
      await clock.advance(waitMs - 1);
      await file.idle();
      expect(events).toHaveLength(before);
      await clock.advance(1);
      await file.idle();
      expect(events).toHaveLength(before + 1);
    }
    await mkdir(join(folder, "later"));
    await clock.advance(10_000);
    await file.idle();
    expect([events.at(-1), clock.pendingTimers]).toEqual(["written", 0]);
    await rm(join(folder, "later"), { recursive: true });
    file.publish(poolOf({ b: { port: 9 } }));
    await file.idle();
    await clock.advance(100);
    await file.idle();
    expect(events.slice(-2)).toEqual(["failed ENOENT", "failed ENOENT"]);
  });

  it("keeps its target as it was when the new content cannot be put in place", async () => {
    const path = join(folder, "eds.json");
    await mkdir(join(path, "occupied"), { recursive: true });
    const { file, events } = openFile(path);
    file.publish(poolOf({ a: {} }));
    await file.idle();
    expect(events).toHaveLength(1);
    expect(await readdir(folder)).toEqual(["eds.json"]);
  });

  it("is finished and then left in peace on close, which can be repeated", async () => {
    const { file, path, clock, events } = openFile();
    file.publish(poolOf({ a: {} }));
    file.publish(poolOf({ b: { state: "down" } }));
    await file.close();
    await file.close();
    file.publish(poolOf({ c: { port: 9 } }));
    await vi.waitFor(() => expect(events).toEqual(["written"]));
    expect(await membersIn(path)).toEqual(["10.0.0.1 8000 HEALTHY"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("leaves no retry behind on close", async () => {
    const { file, clock } = openFile(join(folder, "never", "eds.json"));
    file.publish(poolOf({ a: {} }));
    await file.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it("has the pool's name in its path where the path asks for it", () => {
    expect(edsPath("/run/moorline/eds-{pool}.json", "small")).toBe("/run/moorline/eds-small.json");
    expect(edsPath("/run/moorline/eds.json", "small")).toBe("/run/moorline/eds.json");
  });
});
