/** What the second half runs on: three computing engines, Moorline with both halves and Envoy; the engines' files are Moorline's location. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fillBootstrap } from "../../envoy/bootstrap.ts";
import { SHAPES } from "../engine/model/shape.ts";
import { engineProfile } from "../engine/profile.ts";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "../engine/tokenizer/files.ts";
import { EngineProcess } from "../stack/engine.ts";
import { startEnvoy } from "../stack/envoy.ts";
import { createFolder, removeFolder } from "../stack/folder.ts";
import { endpointStates, metric } from "../stack/moorline-view.ts";
import { type MoorlineSettings, startMoorline } from "../stack/moorline.ts";
import { freePort } from "../stack/ports.ts";
import type { Stage } from "../stage.ts";

export const shapeName = "small";
const shape = SHAPES[shapeName];
const engineNames = ["a", "b", "c"];
const pageSize = 16;
const preferredPorts = { ingress: 10_000, admin: 9003, api: 9004 };
const pollMs = 20;
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
    const settings = { size: shapeName, root: files, "page-size": pageSize, "load-threshold": 0 };
    return new EngineProcess({ name, kind: "computing", settings });
  });
  engines.forEach(onStart);
  await Promise.all(engines.map(async (engine) => engine.start()));

  const apiPort = await freePort(preferredPorts.api);
  const moorline = await startMoorline(settingsOf(engines, { folder, files, apiPort }), {
    admin: await freePort(preferredPorts.admin),
  });
  onStart(moorline);
  const bootstrap = await fillBootstrap("override-host", {
    listenPort: await freePort(preferredPorts.ingress),
    adminPort: 0,
    extproc: moorline.extprocPort,
    edsFile: moorline.edsFile,
  });
  const envoy = await startEnvoy({ bootstrap });
  onStart(envoy);

  const known = 'moorline_kv_engines{pool="default",state="ready"}';
  const listed = 'moorline_kv_segments_settled_total{result="durable"}';
  const measured = 'moorline_kv_turn_ttft_seconds_count{pool="default"}';
  const predictedSeconds = 'moorline_kv_turn_predicted_ttft_seconds_sum{pool="default"}';
  const until = async (isTrue: () => Promise<boolean>) => waitUntil(isTrue, signal);
  await until(async () => (await metric(moorline, known)) === engines.length);
  return {
    engines,
    url: envoy.url(),
    adminUrl: moorline.adminUrl,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    files,
    logPath: moorline.logPath,
    listed: async (turns) => until(async () => (await metric(moorline, listed)) >= turns),
    predictedMs: async (turns) => {
      await until(async () => (await metric(moorline, measured)) >= turns);
      return 1000 * (await metric(moorline, predictedSeconds));
    },
    seenDown: async ({ name }) =>
      until(async () => (await endpointStates(moorline))[name] === "down"),
  };
}

async function waitUntil(isTrue: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + deadlineMs;
  while (!(await isTrue())) {
    if (performance.now() > untilMs) throw new Error(`Moorline did not see it in ${deadlineMs} ms`);
    await sleep(pollMs, undefined, { signal });
  }
}

interface Places {
  readonly folder: string;
  readonly files: string;
  readonly apiPort: number;
}

/** As in docs/turns.md. */
function settingsOf(
  engines: readonly EngineProcess[],
  { folder, files, apiPort }: Places,
): MoorlineSettings {
  return {
    pools: [
      {
        name: "default",
        endpoints: engines.map(({ name: id, address }) => ({ id, address })),
        kv: {
          dialect: "sglang-session",
          tokenizer: { file: TOKENIZER_FILE, config: TOKENIZER_CONFIG_FILE },
          profile: engineProfile(shape, { pageSize, loadThreshold: 0 }),
        },
      },
    ],
    health: { intervalMs: 250 },
    kv: {
      listen: `127.0.0.1:${apiPort}`,
      catalog: { path: join(folder, "catalog") },
      locations: [
        {
          id: "disk",
          root: files,
          uriPrefix: "file:///",
          capacityBytes: 1024 ** 3,
          freeFloorBytes: 0,
        },
      ],
      verify: { quietMs: 20 },
    },
  };
}
