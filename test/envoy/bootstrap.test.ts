import { expect, it } from "vitest";
import { fillBootstrap } from "../../envoy/bootstrap.ts";

const places = { listenPort: 1, adminPort: 2, extproc: 3, edsFile: "/run/x/eds-{pool}.json" };

it("puts the ports where clients, operators and Moorline are", async () => {
  const { admin, static_resources: resources } = await fillBootstrap("original-dst", places);
  const extProc = resources.clusters.find(({ name }) => name === "ext_proc");
  expect(admin.address).toMatchObject({ socket_address: { port_value: 2 } });
  expect(resources.listeners[0]?.address).toMatchObject({ socket_address: { port_value: 1 } });
  expect(extProc?.load_assignment?.endpoints[0]?.lb_endpoints[0]?.endpoint.address).toMatchObject({
    socket_address: { port_value: 3 },
  });
});

it("reaches Moorline through a Unix socket where a path is given", async () => {
  const { static_resources: resources } = await fillBootstrap("original-dst", {
    ...places,
    extproc: "/run/x/extproc.sock",
  });
  const extProc = resources.clusters.find(({ name }) => name === "ext_proc");
  expect(extProc?.load_assignment?.endpoints[0]?.lb_endpoints[0]?.endpoint.address).toEqual({
    pipe: { path: "/run/x/extproc.sock" },
  });
});

it("gives each pool's cluster a file of its own and watches its folder", async () => {
  const { static_resources: resources } = await fillBootstrap("override-host-pools", places);
  const sources = resources.clusters.flatMap(({ eds_cluster_config: eds }) =>
    eds === undefined ? [] : [eds.eds_config.path_config_source],
  );
  expect(sources).toEqual([
    { path: "/run/x/eds-small.json", watched_directory: { path: "/run/x" } },
    { path: "/run/x/eds-large.json", watched_directory: { path: "/run/x" } },
  ]);
});

it("says which cluster needs an EDS file when none is given", async () => {
  const { edsFile: _, ...without } = places;
  await expect(fillBootstrap("override-host", without)).rejects.toThrow("cluster default");
});
