/** Moorline as a child process with a configuration of its own: `node src/main.ts serve`. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { startChild, waitUntilReady } from "./child.ts";
import type { Child } from "./child.ts";
import { freePort } from "./ports.ts";

const main = resolve(import.meta.dirname, "..", "..", "src", "main.ts");
/** An image to run in place of this source. */
const image = process.env["MOORLINE_IMAGE"];
const readyDeadlineMs = 15_000;

/** A configuration as in docs/config.md. Where it listens and the EDS file are put in. */
export type MoorlineSettings = Readonly<Record<string, unknown>>;

export interface Moorline {
  readonly child: Child;
  readonly configPath: string;
  readonly adminUrl: string;
  /** The ext_proc port, for the bootstrap. */
  readonly extprocPort: number;
  /** With `{pool}` in its name, for the bootstrap. */
  readonly edsFile: string;
  /** Replaces the configuration file; Moorline sees the change by itself. */
  reconfigure(settings: MoorlineSettings): Promise<void>;
  close(): Promise<void>;
}

/** Free ones unless given: a test that starts Moorline again gives the ports of the one before. */
export interface MoorlinePorts {
  readonly extproc?: number;
  readonly admin?: number;
}

/** Resolves when Moorline is ready, which includes that its EDS files are written. */
export async function startMoorline(
  settings: MoorlineSettings,
  ports: MoorlinePorts = {},
): Promise<Moorline> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-"));
  const configPath = join(folder, "moorline.yaml");
  const edsFile = join(folder, "eds-{pool}.json");
  const extprocPort = ports.extproc ?? (await freePort());
  const adminPort = ports.admin ?? (await freePort());
  const places = {
    extproc: { listen: [`127.0.0.1:${extprocPort}`] },
    admin: { listen: `127.0.0.1:${adminPort}` },
    envoy: { edsFile },
  };
  const configure = async (next: MoorlineSettings) =>
    writeFile(configPath, stringify(withPlaces(next, places)));

  await configure(settings);
  const serve = ["serve", "--config", configPath];
  const program =
    image === undefined
      ? { command: process.execPath, args: [main, ...serve] }
      : { image, args: serve, folders: [folder] };
  const child = startChild({ label: "Moorline", ...program });
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const close = async () => {
    await child.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const check = async () => (await fetch(`${adminUrl}/readyz`)).ok;
    await waitUntilReady(child, { deadlineMs: readyDeadlineMs, check });
  } catch (reason) {
    await close();
    throw reason;
  }
  return { child, configPath, adminUrl, extprocPort, edsFile, reconfigure: configure, close };
}

/** Section by section. */
function withPlaces(
  settings: MoorlineSettings,
  places: Readonly<Record<string, object>>,
): MoorlineSettings {
  const sections = Object.entries(places).map(([name, section]) => [
    name,
    { ...(settings[name] as object | undefined), ...section },
  ]);
  return { ...settings, ...Object.fromEntries(sections) };
}
