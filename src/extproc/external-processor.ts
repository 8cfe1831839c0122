/**
 * The published service, read from `proto/` once at start. Field names are the ones of the .proto files, enums are their
 * names, absent fields stay absent, and `request` / `response` name the member of the oneof that is set. The types in
 * `gen/` are generated with the same choices; a test regenerates and compares them.
 */
import { fileURLToPath } from "node:url";
import { loadSync } from "@grpc/proto-loader";
import type { ExternalProcessorDefinition } from "./gen/envoy/service/ext_proc/v3/ExternalProcessor.ts";

export const externalProcessorName = "envoy.service.ext_proc.v3.ExternalProcessor";

/** The folder with the .proto files: beside `src` and beside `dist`. */
export const protoRoot = fileURLToPath(new URL("../../proto", import.meta.url));

export const externalProcessorFile = "envoy/service/ext_proc/v3/external_processor.proto";

export const protoOptions = {
  keepCase: true,
  longs: Number,
  enums: String,
  oneofs: true,
  includeDirs: [protoRoot],
};

/** Reads files: call it once. */
export function loadExternalProcessor(): ExternalProcessorDefinition {
  const loaded = loadSync(externalProcessorFile, protoOptions);
  return loaded[externalProcessorName] as unknown as ExternalProcessorDefinition;
}
