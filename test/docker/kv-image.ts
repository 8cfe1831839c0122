/** The KV service from the image, over folders of this machine that outlive its containers, as docs/deploy.md sets it up. */
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { createClient, type KvClient } from "../../client/index.ts";
import { freePort } from "../../demo/stack/ports.ts";
import { type Placed, PROFILE } from "../support/kv-service.ts";
import { docker, image, sealed } from "./sidecar.ts";

/** Of the image; of the engines' processes; of both. */
const [moorlineUser, engineUser, sharedGroup] = [65_532, 65_534, 64_000];
const asMoorline = [...sealed, "--no-healthcheck", `--group-add=${sharedGroup}`];
const asEngine = [...asMoorline, `--user=${engineUser}:${engineUser}`];
const dead = "127.0.0.1:1";

export interface KvContainer {
  readonly id: string;
  readonly addresses: { readonly extproc: readonly string[]; readonly kv: string };
}

export class KvImage {
  readonly client: KvClient;
  readonly #folder: string;
  readonly #roles: string;
  readonly #containers: string[] = [];

  /** With the folders that an administrator makes, and no container. */
  static async create(roles: string): Promise<KvImage> {
    const folder = await mkdtemp(join(tmpdir(), "moorline-kv-image-"));
    await mkdir(join(folder, "state"), { mode: 0o700 });
    await chown(join(folder, "state"), moorlineUser, moorlineUser);
    await mkdir(join(folder, "kv"));
    await chown(join(folder, "kv"), moorlineUser, sharedGroup);
    await chmod(join(folder, "kv"), 0o2750);
    const [kv, admin, extproc] = [await freePort(), await freePort(), await freePort()];
    const config = `
extproc: { listen: ["127.0.0.1:${extproc}"] }
admin: { listen: "127.0.0.1:${admin}" }
health: { enabled: false }
pools: [{ name: default, endpoints: ["${dead}"], kv: { profile: ${PROFILE} } }]
kv:
  listen: "127.0.0.1:${kv}"
  catalog: { path: /var/lib/moorline/catalog }
  locations: [{ id: disk, root: /var/lib/moorline-kv, naming: flat, capacityBytes: 1073741824 }]
`;
    await writeFile(join(folder, "moorline.yaml"), config, { mode: 0o644 });
    return new KvImage(folder, { roles, url: `http://127.0.0.1:${kv}` });
  }

  constructor(folder: string, { roles, url }: { readonly roles: string; readonly url: string }) {
    this.#folder = folder;
    this.#roles = roles;
    this.client = createClient({ url });
  }

  /** In a new container, until it listens. */
  async start(): Promise<KvContainer> {
    const id = await docker(
      "run",
      "-d",
      ...asMoorline,
      `--volume=${this.#folder}/moorline.yaml:/etc/moorline/moorline.yaml:ro`,
      `--volume=${this.#folder}/state:/var/lib/moorline`,
      `--volume=${this.#folder}/kv:/var/lib/moorline-kv`,
      image,
      "serve",
      `--roles=${this.#roles}`,
    );
    this.#containers.push(id);
    const addresses = await vi.waitFor(() => listeningAt(id), { timeout: 20_000, interval: 100 });
    return { id, addresses };
  }

  /**
   * As an engine does: from a container of its own, as another user of the same group. Answers with what the system says when it
   * tries to make a file there.
   */
  async write({ kv_uri: uri, kv_start: position }: Placed, bytes: Uint8Array): Promise<string> {
    await writeFile(join(this.#folder, "bytes"), bytes, { mode: 0o644 });
    const path = JSON.stringify(join("/kv", new URL(uri).pathname));
    const script = `
      fs.writeSync(fs.openSync(${path}, "r+"), fs.readFileSync("/bytes"), { position: ${position} });
      fs.open("/kv/foreign", "w", (error) => console.log(error?.code));`;
    return docker(
      "run",
      "--rm",
      ...asEngine,
      `--volume=${this.#folder}/kv:/kv`,
      `--volume=${this.#folder}/bytes:/bytes:ro`,
      "--entrypoint=/usr/local/bin/node",
      image,
      "-e",
      script,
    );
  }

  /** Its containers and its folders. */
  async close(): Promise<void> {
    if (this.#containers.length > 0) await docker("rm", "--force", ...this.#containers);
    await rm(this.#folder, { recursive: true });
  }
}

/** From its log; throws while it has not said so. */
async function listeningAt(container: string): Promise<KvContainer["addresses"]> {
  const lines = (await docker("logs", container)).split("\n").filter((line) => line !== "");
  const messages = lines.map((line) => JSON.parse(line) as { msg: string });
  const found = messages.find(({ msg }) => msg === "listening");
  if (found === undefined) throw new Error(`it does not listen: ${lines.at(-1)}`);
  return found as unknown as KvContainer["addresses"];
}
