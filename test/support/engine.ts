/** A simulated engine in this process: answers at once, remembers what it was sent, and fails when told to. */
import type { SeenRequest } from "../../demo/engine/http.ts";
import { defaultSpeed } from "../../demo/simulated-engine/engine.ts";
import { openEngineServer } from "../../demo/simulated-engine/server.ts";
import type { EngineFault } from "../../demo/simulated-engine/server.ts";
import { formatAddress } from "../../src/endpoints/endpoint.ts";

export interface TestEngineOptions {
  readonly name: string;
  /** An IP literal; 127.0.0.1 unless given. */
  readonly host?: string;
  readonly port?: number;
  /** 0 unless given. */
  readonly prefillUsPerToken?: number;
  /** 0 unless given. */
  readonly decodeUsPerToken?: number;
}

export interface TestEngine {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** `ip:port`, IPv6 in brackets. */
  readonly address: string;
  /** Requests to the model paths, oldest first. */
  readonly requests: readonly SeenRequest[];
  setFault(fault: EngineFault): void;
  close(): Promise<void>;
}

const bodyLimitBytes = 64 * 1024 * 1024;

export async function startEngine(options: TestEngineOptions): Promise<TestEngine> {
  const {
    name,
    host = "127.0.0.1",
    port = 0,
    prefillUsPerToken = 0,
    decodeUsPerToken = 0,
  } = options;
  const requests: SeenRequest[] = [];
  const server = await openEngineServer({
    name,
    host,
    port,
    bodyLimitBytes,
    speed: { ...defaultSpeed, prefillUsPerToken, decodeUsPerToken },
    onRequest: (request) => void requests.push(request),
  });
  return {
    name,
    host,
    port: server.port,
    address: formatAddress(host, server.port),
    requests,
    setFault: (fault) => server.setFault(fault),
    close: async () => server.close(),
  };
}
