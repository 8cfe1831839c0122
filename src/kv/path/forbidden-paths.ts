/** Paths of engines that are not for clients, each with all that is below it, and whether a client's path is one of them. */

/**
 * Of a `llama-server`: who reaches them reads, takes or spoils what is in everybody's slots. Adapters change what a model computes, and so what stored KV is worth, for everybody. Streams
 * are read again and cancelled by a name that their clients thought of, whoever asks. Where servers are started with `--ui-mcp-proxy` or `--tools`, they ask themselves for whatever a client
 * names, or read files for it.
 */
export const SLOT_SERVER_PATHS: readonly string[] = [
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
 * Of SGLang (`http_server.py`): they change the weights or the adapters of a process that goes on under the same version, so that what is stored would be loaded into another model; say that
 * the version is another; or move what the engine's own cache keeps.
 */
export const SGLANG_PATHS: readonly string[] = [
  "/update_weights_from_disk",
  "/update_weights_from_tensor",
  "/update_weights_from_distributed",
  "/update_weights_from_ipc",
  "/update_weight_version",
  "/init_weights_update_group",
  "/destroy_weights_update_group",
  "/post_process_weights",
  "/weights_checker", // its `reset_tensors` fills all of them with noise
  "/load_lora_adapter",
  "/load_lora_adapter_from_tensors",
  "/unload_lora_adapter",
  "/release_memory_occupation",
  "/resume_memory_occupation",
  "/hicache",
  "/clear_hicache_storage_backend",
];

/**
 * As a `llama-server` decodes it (b11549): what comes behind a `#` is dropped first, then each `%73` or `%u0073` is read, once, and what is neither stays as it is. SGLang's server reads
 * less. Upper and lower case are different to both; that costs nobody anything here.
 */
export function leadsToAny(path: string, forbidden: readonly string[]): boolean {
  const [location = ""] = path.split("#", 1);
  const decoded = location
    .replaceAll(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/gi, (_, unit?: string, byte?: string) =>
      String.fromCharCode(Number.parseInt(unit ?? byte ?? "", 16)),
    )
    .replaceAll(/\/{2,}/g, "/")
    .toLowerCase();
  return forbidden.some((known) => decoded === known || decoded.startsWith(`${known}/`));
}
