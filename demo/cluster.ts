/** What the demo runs on: four engines, Moorline and Envoy, each a process of its own, started in the order of need. */
import { fillBootstrap } from "../envoy/bootstrap.ts";
import { addRoundRobinListener, roundRobinListener } from "./round-robin.ts";
import { EngineProcess } from "./stack/engine.ts";
import { startEnvoy } from "./stack/envoy.ts";
import { endpointStates } from "./stack/moorline-view.ts";
import { startMoorline } from "./stack/moorline.ts";
import { freePort } from "./stack/ports.ts";

const engineNames = ["a", "b", "c", "d"];
/**
 * One engine's cache holds a third of what the conversations need together, as in real deployments. A word, that is 32
 * tokens of the trace, takes 0.4 ms to compute and 3 ms to generate.
 */
const engineSettings = { "cache-blocks": 1200, "prefill-us": 400, "decode-us": 3000 };
const preferredPorts = { ingress: 10_000, admin: 9003 };
const healthIntervalMs = 250;

export interface Cluster {
  readonly engines: readonly EngineProcess[];
  readonly roundRobinUrl: string;
  readonly moorlineUrl: string;
  readonly adminUrl: string;
  readonly envoyAdminUrl: string;
  readonly configPath: string;
  readonly logPath: string;
  /** Whether Moorline takes this engine for ready. */
  isReady(engine: EngineProcess): Promise<boolean>;
}

/** `onStart` gets each part that must be closed, in the order of start; also when a later one fails to start. */
export async function startCluster(
  onStart: (part: { close(): Promise<void> }) => void,
): Promise<Cluster> {
  const engines = engineNames.map((name) => new EngineProcess({ name, settings: engineSettings }));
  engines.forEach(onStart);
  await Promise.all(engines.map(async (engine) => engine.start()));

  const endpoints = engines.map(({ name: id, address }) => ({ id, address }));
  const moorline = await startMoorline(
    { pools: [{ name: "default", endpoints }], health: { intervalMs: healthIntervalMs } },
    { admin: await freePort(preferredPorts.admin) },
  );
  onStart(moorline);

  const bootstrap = await fillBootstrap("override-host", {
    listenPort: await freePort(preferredPorts.ingress),
    adminPort: 0,
    extproc: moorline.extprocPort,
    edsFile: moorline.edsFile,
  });
  addRoundRobinListener(bootstrap);
  const envoy = await startEnvoy({ bootstrap });
  onStart(envoy);

  return {
    engines,
    roundRobinUrl: envoy.url(roundRobinListener),
    moorlineUrl: envoy.url(),
    adminUrl: moorline.adminUrl,
    envoyAdminUrl: envoy.adminUrl,
    configPath: moorline.configPath,
    logPath: moorline.logPath,
    isReady: async ({ name }) => (await endpointStates(moorline))[name] === "ready",
  };
}
