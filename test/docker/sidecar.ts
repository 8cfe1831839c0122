/** The image under test. The daemon is the one of DOCKER_HOST, the image that of MOORLINE_IMAGE. */
import { expect, vi } from "vitest";
import { dockerCommand } from "../../demo/stack/container.ts";
import { run } from "./command.ts";

export const image = process.env["MOORLINE_IMAGE"] ?? fail("run this with `npm run test:docker`");
/** What it is run with, as its documentation says. */
export const sealed = ["--network=host", "--read-only", "--cap-drop=ALL"];
/** The command of its health check. */
export const healthcheck = ["/usr/local/bin/node", "/app/dist/healthcheck.js"];

function fail(message: string): never {
  throw new Error(message);
}

/** Resolves to the standard output. */
export async function docker(...args: string[]): Promise<string> {
  return (await run(dockerCommand, args)).trim();
}

export async function inspect(container: string, field: string): Promise<string> {
  return docker("inspect", `--format={{${field}}}`, container);
}

export async function untilHealthy(container: string): Promise<void> {
  await vi.waitFor(
    async () => expect(await inspect(container, ".State.Health.Status")).toBe("healthy"),
    { timeout: 20_000, interval: 200 },
  );
}
