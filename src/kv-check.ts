/** `moorline kv check`: one line for each finding, then how many there were, but for what is foreign: that is no damage. */
import { crc32 } from "node:zlib";
import { Closers } from "./closers.ts";
import { systemWallClock } from "./clock.ts";
import { openKvCatalog, openLocations } from "./compose-kv-store.ts";
import type { KvConfig } from "./config/kv-config.ts";
import { check } from "./kv/upkeep/check.ts";

export interface KvCheckOptions {
  /** Mends what needs no guess. */
  readonly repairs: boolean;
  /** Every listed segment is read, and not only its file looked at. */
  readonly readsBytes: boolean;
  readonly print: (line: string) => void;
}

/** True if nothing is left to be mended. */
export async function checkKv(
  kv: KvConfig,
  { repairs, readsBytes, print }: KvCheckOptions,
): Promise<boolean> {
  const closers = new Closers();
  let found = 0;
  let mended = 0;
  try {
    const catalog = await openKvCatalog(kv, closers);
    const known = await catalog.mendedCopy(systemWallClock());
    const locations = await openLocations(kv, { catalog: known, closers, ended: () => {} });
    const findings = check({
      catalog,
      locations: [...locations.values()],
      crc32,
      nowMs: systemWallClock,
      reads: readsBytes ? "bytes" : "stats",
      ...(repairs ? { repair: { orphanAgeMs: kv.keeper.quarantineMs } } : {}),
    });
    for await (const { kind, subject, text, isMended } of findings) {
      if (kind !== "foreign") found++;
      if (isMended) mended++;
      print(`${kind} ${subject}: ${text}${isMended ? " (mended)" : ""}`);
    }
  } finally {
    await closers.close();
  }
  print(`${found} found, ${mended} mended`);
  return found === mended;
}
