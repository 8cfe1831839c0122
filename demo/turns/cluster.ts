/** What the second half runs on: three computing engines, Moorline with both halves and Envoy; the engines' files are Moorline's location. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SHAPES } from "../engine/model/shape.ts";
import { turnsSettings } from "../engine/turns-settings.ts";
import { EngineProcess } from "../stack/engine.ts";
import { createFolder, removeFolder } from "../stack/folder.ts";
import { startGateway } from "../stack/gateway.ts";
import { endpointStates, knownEngines, metric } from "../stack/moorline-view.ts";
import { freePort } from "../stack/ports.ts";
import { until } from "../stack/until.ts";
import type { Stage } from "../stage.ts";

export const shapeName = "small";
const engineNames = ["a", "b", "c"];
const limits = { pageSize: 16, loadThreshold: 0 };
const capacityBytes = 1024 ** 3;
const preferredPorts = { ingress: 10_000, admin: 9003, api: 9004 };
const deadlineMs = 15_000;

export interface TurnsCluster {
  readonly engines: readonly EngineProcess[];
  /** Where clients connect. */
  readonly url: string;
  readonly adminUrl: string;
  /** Of the KV service. */
  readonly apiUrl: string;
  /** Where the engines' cache is stored. */
  readonly files: string;
  readonly logPath: string;
  /** Resolves when so many turns are proven and listed. */
  listed(turns: number): Promise<void>;
  /** What was predicted of the first tokens of so many turns, all together; resolves when as many are measured. */
  predictedMs(turns: number): Promise<number>;
  /** Resolves when Moorline has seen that the engine is down. */
  seenDown(engine: EngineProcess): Promise<void>;
}

/** Resolves when Moorline knows every engine. */
export async function startTurnsCluster({ signal, onStart }: Stage): Promise<TurnsCluster> {
  const folder = await createFolder("moorline-turns-");
  onStart({ close: async () => removeFolder(folder) });
  const files = join(folder, "files");
  await mkdir(files);
  const engines = engineNames.map((name) => {
    const flags = { "page-size": limits.pageSize, "load-threshold": limits.loadThreshold };
    const settings = { size: shapeName, root: files, ...flags };
    return new EngineProcess({ name, kind: "computing", settings });
  });
  engines.forEach(onStart);
  await Promise.all(engines.map(async (engine) => engine.start()));

  const apiPort = await freePort(preferredPorts.api);
  const settings = turnsSettings({
    endpoints: new Map(engines.map(({ name, address }) => [name, address])),
    shape: SHAPES[shapeName],
    limits,
    root: files,
    capacityBytes,
    folder,
    apiPort,
  });
  const gateway = await startGateway({
    settings: { ...settings, health: { intervalMs: 250 } },
    places: {
      ingress: await freePort(preferredPorts.ingress),
      admin: await freePort(preferredPorts.admin),
    },
  });
  onStart(gateway);

  const { moorline } = gateway;
  const listed = 'moorline_kv_segments_settled_total{result="durable"}';
  const measured = 'moorline_kv_turn_ttft_seconds_count{pool="default"}';
  const predictedSeconds = 'moorline_kv_turn_predicted_ttft_seconds_sum{pool="default"}';
  const wait = async (isTrue: () => Promise<boolean>) => until(isTrue, deadlineMs, signal);
  await wait(async () => (await knownEngines(moorline)) === engines.length);
  return {
    engines,
    url: gateway.url,
    adminUrl: moorline.adminUrl,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    files,
    logPath: moorline.logPath,
    listed: async (turns) => wait(async () => (await metric(moorline, listed)) >= turns),
    predictedMs: async (turns) => {
      await wait(async () => (await metric(moorline, measured)) >= turns);
      return 1000 * (await metric(moorline, predictedSeconds));
    },
    seenDown: async ({ name }) =>
      wait(async () => (await endpointStates(moorline))[name] === "down"),
  };
}
