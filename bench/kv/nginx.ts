/**
 * nginx with sendfile, as a peer for reading bytes. The one in PATH, else Debian's package: it is unpacked under `.cache` and never
 * installed, so no root is needed and no service of the machine starts.
 */
import { execFile } from "node:child_process";
import { access, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { startChild, waitUntilReady, type Child } from "../../demo/stack/child.ts";
import { freePort } from "../../demo/stack/ports.ts";

const run = promisify(execFile);

const cache = resolve(import.meta.dirname, "..", "..", ".cache", "bench");
const unpacked = join(cache, "nginx");
const UNPACKED_BINARY = join(unpacked, "usr", "sbin", "nginx");
const DOWNLOAD_LIMIT_MS = 120_000;

export interface Nginx {
  readonly port: number;
  readonly pid: number;
  close(): Promise<void>;
}

/** Serves the files of `root` until it is closed. `folder`: for its own files. Rejects with the reason why it cannot be had. */
export async function startNginx(root: string, folder: string): Promise<Nginx> {
  const binary = await findNginx();
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  await writeFile(config, configuration({ root, folder, port }));
  const child: Child = startChild({
    label: "nginx",
    command: binary,
    args: ["-p", folder, "-c", config, "-e", "stderr"],
  });
  const check = async () => (await fetch(`http://127.0.0.1:${port}/`)).status > 0;
  await waitUntilReady(child, { deadlineMs: 30_000, check });
  return { port, pid: child.pid, close: () => child.close() };
}

async function findNginx(): Promise<string> {
  for (const binary of ["nginx", "/usr/sbin/nginx", UNPACKED_BINARY]) {
    const isThere = await run(binary, ["-v"]).then(
      () => true,
      () => false,
    );
    if (isThere) return binary;
  }
  if (process.platform !== "linux")
    throw new Error("no nginx in PATH, and no Debian to have it from");
  await unpack();
  await access(UNPACKED_BINARY);
  return UNPACKED_BINARY;
}

async function unpack(): Promise<void> {
  const draft = `${unpacked}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await run("apt-get", ["download", "nginx"], { cwd: draft, timeout: DOWNLOAD_LIMIT_MS });
  const archive = (await readdir(draft)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error("apt-get downloaded no package");
  await run("dpkg-deb", ["-x", join(draft, archive), draft]);
  await rm(unpacked, { recursive: true, force: true });
  await rename(draft, unpacked);
}

/** One worker, as Moorline is one process. It must be able to read what belongs to us alone. */
function configuration(at: { root: string; folder: string; port: number }): string {
  const isRoot = process.getuid?.() === 0;
  return `
daemon off;
${isRoot ? "user root;" : ""}
worker_processes 1;
error_log stderr error;
pid ${at.folder}/nginx.pid;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path ${at.folder}/body;
  proxy_temp_path ${at.folder}/proxy;
  fastcgi_temp_path ${at.folder}/fastcgi;
  uwsgi_temp_path ${at.folder}/uwsgi;
  scgi_temp_path ${at.folder}/scgi;
  server {
    listen 127.0.0.1:${at.port};
    root ${at.root};
  }
}
`;
}
