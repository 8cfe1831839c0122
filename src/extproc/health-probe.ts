/**
 * Asks a Moorline on this machine for its readiness through `grpc.health.v1`: what a container's health check runs, where no
 * shell and no curl are at hand.
 */
import { ChannelCredentials, Client } from "@grpc/grpc-js";
import { service } from "grpc-health-check";
import type { Scheduler } from "../clock.ts";
import type { ListenAddress } from "./transport.ts";

export interface HealthProbe {
  /** One of the listeners. */
  readonly address: ListenAddress;
  /** PEM of the server's own certificate and key; null where it listens without TLS. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
  readonly timeoutMs: number;
  readonly scheduler: Scheduler;
}

/** Resolves when new exchanges are welcome, else rejects with the reason. */
export async function probeHealth(probe: HealthProbe): Promise<void> {
  const client = new Client(targetOf(probe.address), credentialsFor(probe.tls), {
    "grpc.ssl_target_name_override": "localhost", // an address is no server name in TLS
  });
  try {
    const status = await checkReadiness(client, probe);
    if (status !== "SERVING") throw new Error(`readiness is ${status}`);
  } finally {
    client.close();
  }
}

function checkReadiness(client: Client, { timeoutMs, scheduler }: HealthProbe): Promise<string> {
  const method = service["Check"];
  if (method === undefined) throw new Error("grpc-health-check has changed: it has no Check");
  const { path, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve, reject) => {
    const request = { service: "readiness" };
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      (error, response) => {
        cancelTimeout();
        if (error !== null) reject(error);
        else resolve((response as { readonly status: string }).status);
      },
    );
    const cancelTimeout = scheduler.after(timeoutMs, () => {
      reject(new Error(`no answer within ${timeoutMs} ms`));
      call.cancel();
    });
  });
}

/**
 * The certificate is not verified: it names what Envoy connects to, which need not be this address, and nothing secret is
 * sent. Where clients must show one (mTLS), the server's own is shown: `clientCaFile` has to hold the authority that signed it.
 */
function credentialsFor(tls: HealthProbe["tls"]): ChannelCredentials {
  if (tls === null) return ChannelCredentials.createInsecure();
  return ChannelCredentials.createSsl(null, tls.key, tls.cert, { rejectUnauthorized: false });
}

/** As gRPC names it; a listener on every address is asked on loopback. */
function targetOf(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
  return host.includes(":") ? `[${host}]:${address.port}` : `${host}:${address.port}`;
}
