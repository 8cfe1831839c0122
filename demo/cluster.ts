/** What the demo runs on: four engines, Moorline and Envoy, each a process of its own, started in the order of need. */
import { addRoundRobinListener, roundRobinListener } from "./round-robin.ts";
import { EngineProcess } from "./stack/engine.ts";
import { startGateway } from "./stack/gateway.ts";
import { endpointStates } from "./stack/moorline-view.ts";
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
  const gateway = await startGateway({
    settings: {
      pools: [{ name: "default", endpoints }],
      health: { intervalMs: healthIntervalMs },
    },
    places: {
      ingress: await freePort(preferredPorts.ingress),
      admin: await freePort(preferredPorts.admin),
    },
    adapt: addRoundRobinListener,
  });
  onStart(gateway);

  const { moorline, envoy, url } = gateway;
  return {
    engines,
    roundRobinUrl: envoy.url(roundRobinListener),
    moorlineUrl: url,
    adminUrl: moorline.adminUrl,
    envoyAdminUrl: envoy.adminUrl,
    configPath: moorline.configPath,
    logPath: moorline.logPath,
    isReady: async ({ name }) => (await endpointStates(moorline))[name] === "ready",
  };
}
