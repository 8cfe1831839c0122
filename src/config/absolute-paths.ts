import { resolve } from "node:path";
import type * as z from "zod";
import type { configSchema } from "./schema.ts";
import type { SlotKeys } from "./slot-schema.ts";
import type { TurnKeys } from "./turn-schema.ts";

type Shape = z.output<typeof configSchema>;

/** The configuration with each file that it names resolved from `folder`; those of pools are left to who assembles pools. */
export function withAbsolutePaths(shape: Shape, folder: string): Shape {
  const { extproc, envoy, admin, kv } = shape;
  const file = (path: string | null) => path && resolve(folder, path);
  return {
    ...shape,
    extproc: { ...extproc, tls: absoluteTls(extproc.tls, folder) },
    envoy: { edsFile: file(envoy.edsFile) },
    admin: { ...admin, tokenFile: file(admin.tokenFile) },
    kv: kv && {
      ...kv,
      tls: absoluteTls(kv.tls, folder),
      catalog: { ...kv.catalog, path: resolve(folder, kv.catalog.path) },
      secretFile: file(kv.secretFile),
      locations: kv.locations.map((location) => ({
        ...location,
        root: resolve(folder, location.root),
      })),
    },
  };
}

export function absoluteTokenizer(
  tokenizer: TurnKeys["tokenizer"],
  folder: string,
): TurnKeys["tokenizer"] {
  if (tokenizer === null) return null;
  const { file, config, template } = tokenizer;
  return {
    file: resolve(folder, file),
    config: config && resolve(folder, config),
    template: template && resolve(folder, template),
  };
}

export function absoluteSlots(slots: SlotKeys, folder: string): SlotKeys {
  const { apiKeyFile } = slots;
  return { ...slots, apiKeyFile: apiKeyFile && resolve(folder, apiKeyFile) };
}

function absoluteTls(tls: Shape["extproc"]["tls"], folder: string): Shape["extproc"]["tls"] {
  if (tls === null) return null;
  const { certFile, keyFile, clientCaFile } = tls;
  return {
    certFile: resolve(folder, certFile),
    keyFile: resolve(folder, keyFile),
    clientCaFile: clientCaFile && resolve(folder, clientCaFile),
  };
}
