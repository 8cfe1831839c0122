import { describe, expect, it } from "vitest";
import type { Discovery } from "../../../src/endpoints/discovery/discovery.ts";
import type { EndpointSpec } from "../../../src/endpoints/endpoint.ts";

export interface DiscoverySource {
  readonly discovery: Discovery;
  /** Makes these addresses the source's list; resolves once the discovery has had the chance to publish them. */
  readonly change: (addresses: readonly string[]) => Promise<void>;
}

/** What every `Discovery` promises. `open` makes one whose source lists the addresses. */
export function describeDiscovery(
  name: string,
  open: (addresses: readonly string[]) => Promise<DiscoverySource>,
): void {
  describe(`${name} (discovery contract)`, () => {
    const openWithLog = async (addresses: readonly string[]) => {
      const source = await open(addresses);
      const published: string[] = [];
      const publish = (list: readonly EndpointSpec[]): void => {
        published.push(list.map(({ host, port }) => `${host} ${port}`).join());
      };
      return { ...source, published, publish };
    };

    it("publishes its list before start resolves", async () => {
      const { discovery, published, publish } = await openWithLog(["10.0.0.1:80", "[::1]:81"]);
      await discovery.start(publish);
      expect(published).toEqual(["10.0.0.1 80,::1 81"]);
      await discovery.close();
    });

    it("publishes an empty list too", async () => {
      const { discovery, published, publish } = await openWithLog([]);
      await discovery.start(publish);
      expect(published).toEqual([""]);
      await discovery.close();
    });

    it("publishes the whole list again when it changes", async () => {
      const { discovery, published, publish, change } = await openWithLog(["10.0.0.1:80"]);
      await discovery.start(publish);
      await change(["10.0.0.1:80", "10.0.0.2:80"]);
      await change([]);
      expect(published).toEqual(["10.0.0.1 80", "10.0.0.1 80,10.0.0.2 80", ""]);
      await discovery.close();
    });

    it("publishes nothing once it is closed", async () => {
      const { discovery, published, publish, change } = await openWithLog(["10.0.0.1:80"]);
      await discovery.start(publish);
      await discovery.close();
      await change(["10.0.0.2:80"]);
      expect(published).toEqual(["10.0.0.1 80"]);
    });

    it("can be closed twice, and without having been started", async () => {
      const { discovery } = await openWithLog([]);
      await discovery.close();
      await expect(discovery.close()).resolves.toBeUndefined();
    });
  });
}
