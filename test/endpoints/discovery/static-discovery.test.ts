import { StaticDiscovery } from "../../../src/endpoints/discovery/static-discovery.ts";
import { parseEndpointItems } from "../../../src/endpoints/spec.ts";
import { describeDiscovery } from "./discovery-contract.ts";

const parse = (addresses: readonly string[]) => parseEndpointItems(addresses, "endpoints").specs;

describeDiscovery("a static list", (addresses) => {
  const discovery = new StaticDiscovery(parse(addresses));
  const change = (list: readonly string[]): Promise<void> => {
    discovery.replace(parse(list));
    return Promise.resolve();
  };
  return Promise.resolve({ discovery, change });
});
