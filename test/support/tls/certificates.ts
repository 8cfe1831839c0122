import { renameSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TlsPaths } from "../../../src/extproc/tls.ts";

/** A server's certificate and key of make-certificates.sh; each is signed by an authority of its own. */
export type ServerName = "first-server" | "second-server";

export function certificateFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

export function readCertificate(name: string): Promise<Buffer> {
  return readFile(certificateFile(name));
}

/** A folder of TLS files in use, as an operator has it. */
export class TlsFolder {
  readonly paths: Required<Pick<TlsPaths, "certFile" | "keyFile">>;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.paths = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  }

  static async create(server: ServerName): Promise<TlsFolder> {
    const folder = new TlsFolder(await mkdtemp(join(tmpdir(), "moorline-tls-")));
    await folder.install(server);
    return folder;
  }

  /** Replaces both files, each by an atomic rename, with nothing in between: who looks sees them fit together. */
  async install(server: ServerName): Promise<void> {
    const { certFile, keyFile } = this.paths;
    await writeFile(`${certFile}.new`, await readCertificate(`${server}.crt`));
    await writeFile(`${keyFile}.new`, await readCertificate(`${server}.key`));
    renameSync(`${certFile}.new`, certFile);
    renameSync(`${keyFile}.new`, keyFile);
  }

  /** Replaces the certificate alone. */
  async installCertificate(content: Buffer | string): Promise<void> {
    const { certFile } = this.paths;
    await writeFile(`${certFile}.new`, content);
    await rename(`${certFile}.new`, certFile);
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}
