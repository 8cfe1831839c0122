/** Paths of a `llama-server` that are not for clients: who reaches them reads, takes or spoils what is in everybody's slots. */

/**
 * Each with all that is below it. Adapters change what a model computes, and so what stored KV is worth, for everybody. Streams are read again and cancelled by a name that their clients
 * thought of, whoever asks. Where servers are started with `--ui-mcp-proxy` or `--tools`, they ask themselves for whatever a client names, or read files for it.
 */
const FORBIDDEN = [
  "/slots",
  "/lora-adapters",
  "/models/load",
  "/models/unload",
  "/cors-proxy",
  "/tools",
  "/v1/stream",
  "/v1/streams",
];

/**
 * As the server decodes it (b11549): what comes behind a `#` is dropped first, then each `%73` or `%u0073` is read, once, and what is neither stays as it is. Upper and lower case are
 * different to it; that costs nobody anything here.
 */
export function isForbiddenPath(path: string): boolean {
  const [location = ""] = path.split("#", 1);
  const decoded = location
    .replaceAll(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/gi, (_, unit?: string, byte?: string) =>
      String.fromCharCode(Number.parseInt(unit ?? byte ?? "", 16)),
    )
    .replaceAll(/\/{2,}/g, "/")
    .toLowerCase();
  return FORBIDDEN.some((known) => decoded === known || decoded.startsWith(`${known}/`));
}
