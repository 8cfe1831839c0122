/**
 * Everything a request passes, for end-to-end tests: a real Envoy with a shipped bootstrap, Moorline as its own process, and
 * engines in this one.
 */
import type { BootstrapName } from "../../envoy/bootstrap.ts";
import { type Gateway, type GatewayOptions, startGateway } from "../../demo/stack/gateway.ts";
import type { MoorlineSettings } from "../../demo/stack/moorline.ts";
import { startEngine } from "./engine.ts";
import type { TestEngine, TestEngineOptions } from "./engine.ts";

export interface StackOptions extends Pick<GatewayOptions, "listener" | "adapt"> {
  readonly bootstrap: BootstrapName;
  readonly engines: readonly TestEngineOptions[];
  /** Merged over one pool `default` of all engines, by their names, and fast health checks. */
  readonly settings?: (engines: readonly TestEngine[]) => MoorlineSettings;
  /** For Moorline's files, where the settings name some. Removed when the stack closes. */
  readonly folder?: string;
}

export interface Stack extends Gateway {
  readonly engines: readonly TestEngine[];
  engine(name: string): TestEngine;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  await using parts = new AsyncDisposableStack();
  const engines = await Promise.all(options.engines.map(startEngine));
  for (const engine of engines) parts.defer(() => engine.close());
  const { bootstrap, folder, listener, adapt } = options;
  const gateway = await startGateway({
    settings: { ...defaultSettings(bootstrap, engines), ...options.settings?.(engines) },
    bootstrap,
    ...(folder !== undefined && { places: { folder } }),
    ...(listener && { listener }),
    ...(adapt && { adapt }),
  });
  parts.defer(() => gateway.close());
  const engine = (name: string) => {
    const found = engines.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`no engine ${name}`);
    return found;
  };
  const { moorline, envoy, url } = gateway;
  const started = parts.move();
  return { engines, moorline, envoy, url, engine, close: () => started.disposeAsync() };
}

function defaultSettings(
  bootstrap: BootstrapName,
  engines: readonly TestEngine[],
): MoorlineSettings {
  return {
    pools: [{ name: "default", endpoints: asEndpoints(engines) }],
    // Engines that are asked in this process wait while a test sends and reads what is large.
    health: { intervalMs: 100, timeoutMs: 10_000 },
    destination: { cluster: bootstrap === "original-dst" ? "original_dst" : "override_host" },
  };
}

/** Engines as items of a pool, their names as ids. */
export function asEndpoints(
  engines: readonly TestEngine[],
): readonly { id: string; address: string }[] {
  return engines.map(({ name: id, address }) => ({ id, address }));
}
