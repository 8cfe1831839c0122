import type { EndpointSpec } from "../endpoint.ts";
import type { Discovery, PublishEndpoints } from "./discovery.ts";

/** The endpoints that the configuration itself lists; `replace` is how a reloaded configuration brings a new list. */
export class StaticDiscovery implements Discovery {
  #endpoints: readonly EndpointSpec[];
  /** Set while started and not closed. */
  #publish: PublishEndpoints | undefined;

  constructor(endpoints: readonly EndpointSpec[]) {
    this.#endpoints = endpoints;
  }

  start(publish: PublishEndpoints): Promise<void> {
    this.#publish = publish;
    publish(this.#endpoints);
    return Promise.resolve();
  }

  replace(endpoints: readonly EndpointSpec[]): void {
    this.#endpoints = endpoints;
    this.#publish?.(endpoints);
  }

  close(): Promise<void> {
    this.#publish = undefined;
    return Promise.resolve();
  }
}
