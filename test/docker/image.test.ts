/** What only the image can show. The daemon is the one of DOCKER_HOST, the image that of MOORLINE_IMAGE. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../demo/stack/ports.ts";
import { packageVersion } from "../../src/version.ts";
import { run } from "./command.ts";
import { docker, healthcheck, image, inspect, sealed, untilHealthy } from "./sidecar.ts";

const dead = "127.0.0.1:1";

/** Every path in the image, without the leading slash. */
async function listImage(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-image-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const tar = join(folder, "image.tar");
  const container = await docker("create", image);
  await docker("export", "--output", tar, container);
  await docker("rm", container);
  return (await run("tar", ["-tf", tar])).split("\n");
}

/** Starts the image as its documentation says, with the configuration at the place where the image looks for it. */
async function serve(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-image-"));
  const config = {
    extproc: { listen: [`127.0.0.1:${await freePort()}`] },
    admin: { listen: `127.0.0.1:${await freePort()}` },
    pools: [{ name: "default", endpoints: [dead] }],
    health: { enabled: false },
  };
  await writeFile(join(folder, "moorline.yaml"), JSON.stringify(config));
  await run("chmod", ["-R", "a+rX", folder]);
  const volume = `--volume=${folder}:/etc/moorline:ro`;
  const container = await docker("run", "-d", "--health-interval=1s", ...sealed, volume, image);
  onTestFinished(async () => {
    await docker("rm", "--force", container);
    await rm(folder, { recursive: true });
  });
  return container;
}

describe("the image", () => {
  it("has no shell, no package manager, nothing of the build and none of its secrets", async () => {
    const paths = await listImage();
    expect(paths).toContain("usr/local/bin/node");
    expect(paths).toContain("app/dist/main.js");
    const unwanted =
      /(^|\/)(sh|bash|dash|busybox|apt|dpkg|npm|npx|tsc)$|npmrc|\.(pem|crt|ts)$|^app\/(src|test)\//;
    const ours = paths.filter((path) => !path.startsWith("app/node_modules/"));
    expect(ours.filter((path) => unwanted.test(path))).toEqual([]);
    const packages = paths.filter((path) => /^app\/node_modules\/[^@/]+\/$/.test(path));
    expect(packages).toContain("app/node_modules/pino/");
    for (const name of ["vitest", "typescript", "node", "oxlint"]) {
      expect(packages).not.toContain(`app/node_modules/${name}/`);
    }
  });

  it("runs without root, capabilities and anything to write", async () => {
    expect(await inspect(image, ".Config.User")).toBe("65532:65532");
    expect(await docker("run", "--rm", ...sealed, image, "version")).toBe(packageVersion());
  });

  it("serves the configuration at /etc/moorline/moorline.yaml, and finds itself healthy", async () => {
    const container = await serve();
    await untilHealthy(container);
    expect(await docker("exec", container, ...healthcheck)).toBe("");
  });

  it("finds itself unhealthy where nothing serves", async () => {
    const container = await serve();
    await untilHealthy(container);
    await docker("kill", "--signal=STOP", container);
    await expect(docker("exec", container, ...healthcheck)).rejects.toThrow("no answer within");
  });

  it("ends with status 0 when it is stopped", async () => {
    const container = await serve();
    await untilHealthy(container);
    await docker("stop", "--time=20", container);
    expect(await inspect(container, ".State.ExitCode")).toBe("0");
  });
});
