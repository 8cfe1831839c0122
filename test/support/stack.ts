/**
 * Everything a request passes, for end-to-end tests: a real Envoy with a shipped bootstrap, Moorline as its own process, and
 * engines in this one.
 */
import type { Bootstrap, BootstrapName } from "../../envoy/bootstrap.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";
import { startEnvoy } from "../../demo/stack/envoy.ts";
import type { Envoy } from "../../demo/stack/envoy.ts";
import { startMoorline } from "../../demo/stack/moorline.ts";
import type { Moorline, MoorlineSettings } from "../../demo/stack/moorline.ts";
import { startEngine } from "./engine.ts";
import type { TestEngine, TestEngineOptions } from "./engine.ts";

export interface StackOptions {
  readonly bootstrap: BootstrapName;
  readonly engines: readonly TestEngineOptions[];
  /** Merged over one pool `default` of all engines, by their names, and fast health checks. */
  readonly settings?: (engines: readonly TestEngine[]) => MoorlineSettings;
  /** For Moorline's files, where the settings name some. Removed when the stack closes. */
  readonly folder?: string;
  /** How Envoy reaches Moorline; `port` unless given. */
  readonly listener?: "port" | "socket";
  /** What a user would adapt in the bootstrap. Gets a copy of its own. */
  readonly adapt?: (bootstrap: Bootstrap) => void;
}

export interface Stack {
  readonly engines: readonly TestEngine[];
  readonly moorline: Moorline;
  readonly envoy: Envoy;
  /** Where clients connect. */
  readonly url: string;
  engine(name: string): TestEngine;
  /** Closes what is left; a part that the test closed itself is no error. */
  close(): Promise<void>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next();
  };
  try {
    const engines = await Promise.all(options.engines.map(startEngine));
    closers.push(...engines.map((engine) => async () => engine.close()));
    const settings = {
      ...defaultSettings(options.bootstrap, engines),
      ...options.settings?.(engines),
    };
    const { folder } = options;
    const moorline = await startMoorline(settings, folder === undefined ? {} : { folder });
    closers.push(async () => moorline.close());
    const bootstrap = await fillBootstrap(options.bootstrap, {
      listenPort: 0,
      adminPort: 0,
      extproc: options.listener === "socket" ? moorline.extprocSocket : moorline.extprocPort,
      edsFile: moorline.edsFile,
    });
    options.adapt?.(bootstrap);
    const envoy = await startEnvoy({ bootstrap });
    closers.push(async () => envoy.close());
    const engine = (name: string) => {
      const found = engines.find((candidate) => candidate.name === name);
      if (found === undefined) throw new Error(`no engine ${name}`);
      return found;
    };
    return { engines, moorline, envoy, url: envoy.url(), engine, close };
  } catch (reason) {
    await close();
    throw reason;
  }
}

function defaultSettings(
  bootstrap: BootstrapName,
  engines: readonly TestEngine[],
): MoorlineSettings {
  return {
    pools: [{ name: "default", endpoints: asEndpoints(engines) }],
    health: { intervalMs: 100, timeoutMs: 500 },
    destination: { cluster: bootstrap === "original-dst" ? "original_dst" : "override_host" },
  };
}

/** Engines as items of a pool, their names as ids. */
export function asEndpoints(
  engines: readonly TestEngine[],
): readonly { id: string; address: string }[] {
  return engines.map(({ name: id, address }) => ({ id, address }));
}
