/** For who wants to meet a server in the midst of a save. */
import { watch } from "node:fs";

/**
 * Calls back as soon as something changes in the folder, before anything else is done; resolves with the file's name. Nobody else may save or
 * restore then: restores make names there too, and so do answers before this one.
 */
export async function atNextStagedFile(staging: string, then: () => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const watcher = watch(staging, { persistent: false }, (_event, name) => {
      then();
      watcher.close();
      resolve(name ?? "");
    });
    watcher.on("error", reject);
  });
}
