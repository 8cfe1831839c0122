/** `moorline serve --roles kv` as a process of its own, which can be killed and comes back at the same place. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { hasSaid, startChild, waitUntilReady } from "../stack/child.ts";
import type { Child } from "../stack/child.ts";
import { createFolder, removeFolder } from "../stack/folder.ts";
import { LISTENING } from "../stack/moorline.ts";
import { freePort } from "../stack/ports.ts";
import { filesIn, kvSettings } from "./settings.ts";

const main = resolve(import.meta.dirname, "..", "..", "src", "main.ts");
const readyDeadlineMs = 30_000;
const preferredPorts = { api: 9004, admin: 9003 };

export interface CheckResult {
  readonly status: number | null;
  /** All that it printed. */
  readonly output: string;
}

export class KvService {
  readonly folder: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly configPath: string;
  readonly logPath: string;
  #child: Child | undefined;
  #isClosed = false;

  /** Not started yet, so that it can be closed whatever happens at its start. */
  static async create(): Promise<KvService> {
    const folder = await createFolder("moorline-kv-");
    const apiPort = await freePort(preferredPorts.api);
    const service = new KvService(folder, {
      api: apiPort,
      admin: await freePort(preferredPorts.admin),
    });
    const settings = kvSettings({
      folder,
      apiPort,
      adminPort: Number(new URL(service.adminUrl).port),
    });
    await mkdir(service.files);
    await writeFile(service.configPath, stringify(settings));
    return service;
  }

  private constructor(folder: string, ports: { readonly api: number; readonly admin: number }) {
    this.folder = folder;
    this.url = `http://127.0.0.1:${ports.api}`;
    this.adminUrl = `http://127.0.0.1:${ports.admin}`;
    this.configPath = join(folder, "moorline.yaml");
    this.logPath = join(folder, "moorline.log");
  }

  /** What engines see as `file:///`. */
  get files(): string {
    return filesIn(this.folder);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it is ready. Once it was closed it starts no more. */
  async start(): Promise<void> {
    if (this.#isClosed) throw new Error("the service was closed");
    const { configPath, logPath } = this;
    const args = [main, "serve", "--roles", "kv", "--config", configPath];
    this.#child = startChild({ label: "Moorline", logPath, command: process.execPath, args });
    const listens = hasSaid(this.#child, LISTENING);
    const check = async () => listens() && (await fetch(`${this.adminUrl}/readyz`)).ok;
    await waitUntilReady(this.#child, { deadlineMs: readyDeadlineMs, check });
  }

  /** SIGKILL: nothing is flushed, said or tidied up. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** `moorline kv check --bytes`, while the service is down. The signal kills it. */
  async check(signal: AbortSignal): Promise<CheckResult> {
    const args = [main, "kv", "check", "--bytes", "--config", this.configPath];
    return new Promise((done) => {
      const child = execFile(process.execPath, args, { signal }, (_, stdout, stderr) =>
        done({ status: child.exitCode, output: `${stdout}${stderr}`.trim() }),
      );
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#child?.close();
    await removeFolder(this.folder);
  }
}
