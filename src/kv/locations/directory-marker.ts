/**
 * The file `.moorline` in a root says which location the root is. A folder without it is the mount point of a disk that is not
 * mounted, or somebody else's: taken for ours and empty, every file of ours would be lost there, and every segment with it.
 *
 * It is made when a root that has nothing of ours is opened for the first time, and never again: where the catalog knows of files,
 * a root without it cannot be used. Only a tmpfs may have been emptied by right, by a restart of the machine, so the memory tier
 * begins anew; what was in it is found missing file by file.
 */
import { crc32 } from "node:zlib";

import { LocationFault, type Tier } from "../location.ts";
import { faultCode } from "./directory-faults.ts";
import type { Folder, FolderTree } from "./directory-folder.ts";
import { putWhole } from "./directory-put.ts";

/** No object's name and no draft's: neither a listing nor a URI has it. */
const MARKER = ".moorline";
/** Ours are about 80. */
const SIZE_LIMIT_BYTES = 4096;

/** True for the marker and for what a crash leaves of making it. */
export function isMarker(entry: string): boolean {
  return entry === MARKER || entry.startsWith(`${MARKER}-`);
}

export interface RootClaim {
  /** For people. */
  readonly root: string;
  readonly location: string;
  readonly tier: Tier;
  /** The catalog has files there. */
  readonly isKnown: boolean;
  readonly nowMs: () => number;
  readonly draftId: () => string;
  /** Whether something lies under the root that could be an object of ours. */
  readonly hasObjects: () => Promise<boolean>;
}

/** Of a root that was found to be the location's. */
export class RootMarker {
  readonly #tree: FolderTree;
  readonly #root: string;
  readonly #identity: string;

  private constructor(tree: FolderTree, root: string, identity: string) {
    this.#tree = tree;
    this.#root = root;
    this.#identity = identity;
  }

  /** Throws the fault `not_found` where the marker is missing and must not be, `not_ours` where the root is another's. */
  static async claim(tree: FolderTree, claim: RootClaim): Promise<RootMarker> {
    const identity = await tree.use([], "fail", async (folder) => {
      if ((await folder.stat(MARKER)) === undefined) await mark(folder, claim);
      return checked(folder, claim);
    });
    return new RootMarker(tree, claim.root, identity);
  }

  /** Throws the fault `io` when the root is no longer there, so that what is missing in it says nothing. */
  async assertThere(): Promise<void> {
    const marker = await this.#tree.use([], "fail", (folder) => folder.stat(MARKER));
    if (marker?.identity === this.#identity) return;
    throw new LocationFault("io", `root ${this.#root} is not there: its ${MARKER} is gone`);
  }

  /** What is not found was looked for in our root, or that is what is missing. */
  async inOurs<T>(use: Promise<T>): Promise<T> {
    try {
      return await use;
    } catch (reason) {
      if (faultCode(reason) === "not_found") await this.assertThere();
      throw reason;
    }
  }
}

async function mark(folder: Folder, claim: RootClaim): Promise<void> {
  const { root, location, tier, isKnown, nowMs, draftId, hasObjects } = claim;
  if (isKnown && tier !== "memory") {
    const message = `root ${root} has no ${MARKER}, and location ${location} has files: is its disk mounted?`;
    throw new LocationFault("not_found", message);
  }
  if (await hasObjects()) {
    const message = `root ${root} has files and no ${MARKER}: location ${location} needs a folder of its own`;
    throw new LocationFault("not_ours", message);
  }
  const madeAt = new Date(nowMs()).toISOString();
  const bytes = Buffer.from(`${JSON.stringify({ location, madeAt })}\n`);
  try {
    await putWhole(folder, {
      name: MARKER,
      draft: `${MARKER}-${draftId()}`,
      source: once(bytes),
      expect: { bytes: bytes.length, crc: crc32(bytes) },
    });
  } catch (reason) {
    if (faultCode(reason) !== "exists") throw reason; // somebody was faster; that is judged next
  }
}

async function checked(folder: Folder, { root, location }: RootClaim): Promise<string> {
  const { file, stat } = await folder.openFile(MARKER, "read");
  try {
    const found = stat.sizeBytes > SIZE_LIMIT_BYTES ? undefined : locationIn(await file.readFile());
    if (found === location) return stat.identity;
    const whose = found === undefined ? "nobody" : `location ${found}`;
    const message = `root ${root}: its ${MARKER} names ${whose}, not location ${location}`;
    throw new LocationFault("not_ours", message);
  } finally {
    await file.close();
  }
}

function locationIn(bytes: Buffer): string | undefined {
  try {
    const marker: unknown = JSON.parse(bytes.toString());
    if (typeof marker !== "object" || marker === null || !("location" in marker)) return undefined;
    return typeof marker.location === "string" ? marker.location : undefined;
  } catch {
    return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
