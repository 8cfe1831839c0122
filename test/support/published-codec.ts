/**
 * The oracle of our codec: messages encoded and decoded by proto-loader (protobufjs) from the .proto files.
 */
import { loadExternalProcessor } from "../../src/extproc/external-processor.ts";
import type { ProcessingRequest } from "../../src/extproc/gen/envoy/service/ext_proc/v3/ProcessingRequest.ts";
import type { ProcessingResponse__Output } from "../../src/extproc/gen/envoy/service/ext_proc/v3/ProcessingResponse.ts";

const { Process } = loadExternalProcessor();

export type { ProcessingRequest, ProcessingResponse__Output };

export function encodeRequest(request: ProcessingRequest): Buffer {
  return Process.requestSerialize(request);
}

export function decodeReply(bytes: Uint8Array): ProcessingResponse__Output {
  return Process.responseDeserialize(Buffer.from(bytes));
}

/** Headers as Envoy sends them: the bytes in `raw_value`. */
export function headerMap(headers: Readonly<Record<string, string>>) {
  return {
    headers: Object.entries(headers).map(([key, value]) => ({
      key,
      raw_value: Buffer.from(value, "latin1"),
    })),
  };
}

/** A Struct of strings, numbers and lists of strings, as proto-loader takes it. */
export function struct(fields: Readonly<Record<string, string | number | readonly string[]>>) {
  return {
    fields: Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, structValue(value)]),
    ),
  };
}

function structValue(value: string | number | readonly string[]) {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number") return { numberValue: value };
  return { listValue: { values: value.map((item) => ({ stringValue: item })) } };
}
