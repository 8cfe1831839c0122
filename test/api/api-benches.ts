/** Opens the benches of one test file, and closes them. */
import { expect } from "vitest";

import { Benches, type CatalogKind } from "../kv/turns/catalogs.ts";
import { ApiBench, type ApiOptions } from "./api-bench.ts";

export class ApiBenches {
  readonly #benches: Benches;
  readonly #open: ApiBench[] = [];

  constructor(kind: CatalogKind) {
    this.#benches = new Benches(kind);
  }

  async open(options: ApiOptions = {}): Promise<ApiBench> {
    const bench = await ApiBench.open(this.#benches, options);
    this.#open.push(bench);
    return bench;
  }

  /** With the session `a` of the default tenant. */
  async openWithSession(options: ApiOptions = {}) {
    const bench = await this.open(options);
    const client = bench.client();
    await client.POST("/v1/sessions", { body: { id: "a", model: "small" } });
    return { bench, client };
  }

  /** For `afterEach`: nothing was found by the audits, and nothing was a fault of ours. */
  async close(): Promise<void> {
    const logged: string[] = [];
    for (const bench of this.#open.splice(0)) {
      await bench.server.close();
      logged.push(...bench.logged);
    }
    expect(await this.#benches.close()).toEqual([]);
    expect(logged).toEqual([]);
  }
}
