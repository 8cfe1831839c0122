/** Moorline as a child process with a configuration of its own: `node src/main.ts serve`. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { hasSaid, startChild, waitUntilReady } from "./child.ts";
import type { Child } from "./child.ts";
import { createFolder, removeFolder } from "./folder.ts";
import { freePort } from "./ports.ts";

const main = resolve(import.meta.dirname, "..", "..", "src", "main.ts");
/** An image to run in place of this source. */
const image = process.env["MOORLINE_IMAGE"];
const readyDeadlineMs = 30_000;
/** What Moorline logs once its ports are its own. Before that, another process may answer there. */
export const LISTENING = '"msg":"listening"';

/** A configuration as in docs/config.md. Where it listens and the EDS file are put in. */
export type MoorlineSettings = Readonly<Record<string, unknown>>;

export interface Moorline {
  readonly child: Child;
  readonly configPath: string;
  /** Every line that it printed, in the folder of its configuration. */
  readonly logPath: string;
  readonly adminUrl: string;
  /** For another one that takes its place. */
  readonly adminPort: number;
  /** The ext_proc port, for the bootstrap. */
  readonly extprocPort: number;
  /** The Unix socket on which it listens as well. */
  readonly extprocSocket: string;
  /** With `{pool}` in its name, for the bootstrap. */
  readonly edsFile: string;
  /** Replaces the configuration file, which Moorline watches; SIGHUP makes it read the file at once. */
  reconfigure(settings: MoorlineSettings): Promise<void>;
  close(): Promise<void>;
}

/** Free and new ones unless given: a test that starts Moorline again gives the places of the one before. */
export interface MoorlinePlaces {
  readonly extproc?: number;
  readonly admin?: number;
  /** For its configuration, its EDS files, and what the settings name there. Removed when it closes. */
  readonly folder?: string;
}

/** Resolves when Moorline is ready, which includes that its EDS files are written. */
export async function startMoorline(
  settings: MoorlineSettings,
  given: MoorlinePlaces = {},
): Promise<Moorline> {
  const folder = given.folder ?? (await createFolder("moorline-"));
  const configPath = join(folder, "moorline.yaml");
  const logPath = join(folder, "moorline.log");
  const edsFile = join(folder, "eds-{pool}.json");
  const extprocSocket = join(folder, "extproc.sock");
  const extprocPort = given.extproc ?? (await freePort());
  const adminPort = given.admin ?? (await freePort());
  const places = {
    extproc: { listen: [`127.0.0.1:${extprocPort}`, `unix:${extprocSocket}`] },
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
  const child = startChild({ label: "Moorline", logPath, ...program });
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const close = async () => {
    await child.close();
    await removeFolder(folder);
  };
  try {
    const listens = hasSaid(child, LISTENING);
    const check = async () => listens() && (await fetch(`${adminUrl}/readyz`)).ok;
    await waitUntilReady(child, { deadlineMs: readyDeadlineMs, check });
  } catch (reason) {
    await close();
    throw reason;
  }
  return {
    child,
    configPath,
    logPath,
    adminUrl,
    adminPort,
    extprocPort,
    extprocSocket,
    edsFile,
    reconfigure: configure,
    close,
  };
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
