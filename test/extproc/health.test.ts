import { status } from "@grpc/grpc-js";
import type { Client, MethodDefinition, ServiceError } from "@grpc/grpc-js";
import { service } from "grpc-health-check";
import { describe, expect, it } from "vitest";
import { externalProcessorName } from "../../src/extproc/external-processor.ts";
import { echo } from "../support/exchange-log.ts";
import { start } from "../support/grpc-server.ts";

const methods = service as unknown as Record<"Check" | "Watch", MethodDefinition<object, object>>;
const everyService = ["", "liveness", "readiness", externalProcessorName];

interface HealthReply {
  readonly status: string;
}

/** The status of each service, in order. */
function checkAll(client: Client): Promise<readonly string[]> {
  return Promise.all(everyService.map((name) => check(client, name)));
}

function check(client: Client, name: string): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = methods.Check;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const done = (error: ServiceError | null, reply?: object) =>
    error === null ? resolve((reply as HealthReply).status) : reject(error);
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service: name }, done);
  return promise;
}

async function* watch(client: Client, name: string): AsyncGenerator<string> {
  const { path, requestSerialize, responseDeserialize } = methods.Watch;
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
    service: name,
  });
  for await (const reply of call) yield (reply as HealthReply).status;
}

describe("health", () => {
  it("says before the first readiness that only the process lives [H1] [H3] [H8]", async () => {
    const { client } = await start(echo);
    expect(await checkAll(client)).toEqual([
      "NOT_SERVING",
      "SERVING",
      "NOT_SERVING",
      "NOT_SERVING",
    ]);
  });

  it("serves every service when ready, the overall one like readiness [H7]", async () => {
    const { client, health } = await start(echo);
    health.setReady(true);
    expect(await checkAll(client)).toEqual(["SERVING", "SERVING", "SERVING", "SERVING"]);
  });

  it("turns all but liveness when a drain begins [H9] [H10] [H11] [H12] [H13] [H14]", async () => {
    const { client, health } = await start(echo);
    health.setReady(true);
    health.setReady(false);
    expect(await checkAll(client)).toEqual([
      "NOT_SERVING",
      "SERVING",
      "NOT_SERVING",
      "NOT_SERVING",
    ]);
  });

  it("does not know a service that is not served [H6]", async () => {
    const { client } = await start(echo);
    await expect(check(client, "other")).rejects.toMatchObject({ code: status.NOT_FOUND });
    expect((await watch(client, "other").next()).value).toBe("SERVICE_UNKNOWN");
  });

  it("tells a watcher of every change", async () => {
    const { client, health } = await start(echo);
    const changes = watch(client, "readiness");
    expect((await changes.next()).value).toBe("NOT_SERVING");
    health.setReady(true);
    expect((await changes.next()).value).toBe("SERVING");
    health.setReady(false);
    expect((await changes.next()).value).toBe("NOT_SERVING");
  });

  it("ends its watches, so that they do not hold up a close", async () => {
    const { client, transport } = await start(echo);
    const changes = watch(client, "readiness");
    await changes.next();
    await transport.close(10_000);
    expect((await changes.next()).done).toBe(true);
  });
});
