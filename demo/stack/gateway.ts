/** Moorline and an Envoy before it with a shipped bootstrap: all that stands between clients and engines. */
import { type Bootstrap, type BootstrapName, fillBootstrap } from "../../envoy/bootstrap.ts";
import { type Envoy, startEnvoy } from "./envoy.ts";
import {
  type Moorline,
  type MoorlinePlaces,
  type MoorlineSettings,
  startMoorline,
} from "./moorline.ts";

export interface GatewayOptions {
  readonly settings: MoorlineSettings;
  /** `override-host` unless given. */
  readonly bootstrap?: BootstrapName;
  /** Of Moorline; `ingress` is where clients connect. Free and new ones unless given. */
  readonly places?: MoorlinePlaces & { readonly ingress?: number };
  /** How Envoy reaches Moorline; `port` unless given. */
  readonly listener?: "port" | "socket";
  /** What a user would adapt in the bootstrap. Gets a copy of its own. */
  readonly adapt?: (bootstrap: Bootstrap) => void;
}

export interface Gateway {
  readonly moorline: Moorline;
  readonly envoy: Envoy;
  /** Where clients connect. */
  readonly url: string;
  /** Closes what is left: it is no error if a part is closed already. */
  close(): Promise<void>;
}

/** Resolves when both are ready; that Moorline knows its engines is another matter. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { settings, places = {}, listener = "port" } = options;
  await using parts = new AsyncDisposableStack();
  const moorline = await startMoorline(settings, places);
  parts.defer(() => moorline.close());
  const bootstrap = await fillBootstrap(options.bootstrap ?? "override-host", {
    listenPort: places.ingress ?? 0,
    adminPort: 0,
    extproc: listener === "socket" ? moorline.extprocSocket : moorline.extprocPort,
    edsFile: moorline.edsFile,
  });
  options.adapt?.(bootstrap);
  const envoy = await startEnvoy({ bootstrap });
  parts.defer(() => envoy.close());
  const started = parts.move();
  return { moorline, envoy, url: envoy.url(), close: () => started.disposeAsync() };
}
