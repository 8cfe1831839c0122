/** The processes of the benchmark: endpoints, Moorline, its grpc-go peer, and the Envoy in front of them. */
import { join } from "node:path";
import {
  startChild,
  waitUntilReady,
  type Child,
  type ChildOptions,
} from "../../demo/stack/child.ts";
import { startEnvoy } from "../../demo/stack/envoy.ts";
import { startMoorline } from "../../demo/stack/moorline.ts";
import { benchBootstrap, type Way } from "./envoy-config.ts";
import { grpcGoBinary } from "./grpc-go.ts";
import { LoadClient } from "./load.ts";

const ENDPOINTS = 4;

/** A way of routing with the client that loads it, and the sidecar behind it. */
export interface Contender {
  readonly way: Way;
  readonly client: LoadClient;
  readonly sidecarPid: number | undefined;
}

export interface Stack {
  readonly contenders: readonly Contender[];
  close(): Promise<void>;
}

export async function startStack(progress: (text: string) => void): Promise<Stack> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    const upstreams = await startListening({
      label: "endpoints",
      command: process.execPath,
      args: [join(import.meta.dirname, "upstream.ts"), String(ENDPOINTS)],
    });
    closers.push(() => upstreams.child.close());
    const { ports } = upstreams;
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const moorline = await startMoorline({ pools: [{ name: "default", endpoints: addresses }] });
    closers.push(() => moorline.close());
    const grpcGo = await startGrpcGo(addresses, progress);
    if (grpcGo !== undefined) closers.push(() => grpcGo.child.close());
    const bootstrap = await benchBootstrap({
      upstreamPorts: ports,
      moorlinePort: moorline.extprocPort,
      edsFile: moorline.edsFile,
      grpcGoPort: grpcGo?.port,
    });
    const envoy = await startEnvoy({ bootstrap });
    closers.push(() => envoy.close());
    const contender = (way: Way, sidecarPid?: number): Contender => ({
      way,
      client: new LoadClient({
        port: envoy.port(way),
        isSticky: way !== "round_robin",
        echoesId: sidecarPid !== undefined,
      }),
      sidecarPid,
    });
    const contenders = [
      contender("round_robin"),
      contender("ring_hash"),
      contender("moorline", moorline.child.pid),
      ...(grpcGo === undefined ? [] : [contender("grpc_go", grpcGo.child.pid)]),
    ];
    return { contenders, close };
  } catch (reason) {
    await close();
    throw reason;
  }
}

/** Starts a process that takes free ports and prints `listening PORT,PORT,...`. */
async function startListening(options: ChildOptions): Promise<Listening> {
  const child = startChild(options);
  let ports: number[] = [];
  child.onLine((line) => {
    if (line.startsWith("listening ")) ports = line.slice(10).split(",").map(Number);
  });
  await waitUntilReady(child, {
    deadlineMs: 5_000,
    check: () => Promise.resolve(ports.length > 0),
  });
  return { child, ports };
}

interface Listening {
  readonly child: Child;
  readonly ports: readonly number[];
}

/** undefined, and the reason is printed, where there is no Go or no way to build with it. */
async function startGrpcGo(
  endpoints: readonly string[],
  progress: (text: string) => void,
): Promise<{ child: Child; port: number } | undefined> {
  let binary: string;
  try {
    binary = await grpcGoBinary(progress);
  } catch (reason) {
    progress(`no grpc-go peer: ${reason instanceof Error ? reason.message : String(reason)}`);
    return undefined;
  }
  const { child, ports } = await startListening({
    label: "grpc-go peer",
    command: binary,
    args: ["-endpoints", endpoints.join(",")],
  });
  return { child, port: ports[0] ?? 0 };
}
