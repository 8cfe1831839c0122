/** Where the object of a `file://` URI lies under the engine's root. */
import { join, normalize } from "node:path";

const SCHEME = "file://";

/** Undefined for another scheme, and for what would leave the root: this is a demonstration on somebody's machine. */
export function filePath(root: string, uri: string): string | undefined {
  if (!uri.startsWith(SCHEME)) return undefined;
  const path = normalize(join("/", uri.slice(SCHEME.length)));
  return path.includes("\0") ? undefined : join(root, path);
}
