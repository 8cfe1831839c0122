import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
// The reflection that proto-loader itself works from; what it publishes leaves out oneofs and full type names.
import { loadProtosWithOptionsSync } from "@grpc/proto-loader/build/src/util.js";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  externalProcessorFile,
  externalProcessorName,
  loadExternalProcessor,
  protoOptions,
} from "../../src/extproc/external-processor.ts";
import published from "./envoy-descriptors.json" with { type: "json" };

const repository = fileURLToPath(new URL("../..", import.meta.url));
const root = loadProtosWithOptionsSync(externalProcessorFile, protoOptions);
root.resolveAll();

/** Our message's fields in the form of envoy-descriptors.json. */
function fieldsOf(message: string): object {
  const fields = root.lookupType(message).fieldsArray.map((field) => {
    const key = "keyType" in field ? { key: field.keyType } : {};
    const oneof = field.partOf === null ? {} : { oneof: field.partOf.name };
    const type = field.resolvedType?.fullName.slice(1) ?? field.type;
    const label = field.map ? "map" : field.repeated ? "repeated" : "singular";
    return [field.name, { number: field.id, label, type, ...key, ...oneof }] as const;
  });
  return Object.fromEntries(fields);
}

describe("our subset of Envoy's API", () => {
  it.each(Object.entries(published.messages))(
    "has every published field of %s, with its number, label, type and oneof",
    (message, fields) => {
      expect(fieldsOf(message)).toEqual(fields);
    },
  );

  it.each(Object.entries(published.enums))(
    "has every published value of %s",
    (enumeration, values) => {
      expect(root.lookupEnum(enumeration).values).toEqual(values);
    },
  );

  it("declares no message that is not compared", () => {
    const ours = Object.entries(root.lookup("envoy")?.toJSON() ?? {});
    expect(JSON.stringify(ours).match(/"fields":/g)).toHaveLength(
      Object.keys(published.messages).length,
    );
  });

  it("offers the one method under the path that Envoy calls", () => {
    const { Process } = loadExternalProcessor();
    expect(Process.path).toBe(`/${externalProcessorName}/Process`);
    expect([Process.requestStream, Process.responseStream]).toEqual([true, true]);
  });
});

describe("the generated types", () => {
  it("are what the .proto files give now", async () => {
    const fresh = await mkdtemp(join(tmpdir(), "moorline-types-"));
    onTestFinished(() => rm(fresh, { recursive: true }));
    await promisify(execFile)(
      process.execPath,
      [generator, ...generatorFlags, `--outDir=${fresh}`, externalProcessorFile],
      {
        cwd: repository,
      },
    );
    expect(await readAll(fresh)).toEqual(await readAll(join(repository, "src/extproc/gen")));
  });
});

const generator = fileURLToPath(
  import.meta.resolve("@grpc/proto-loader/build/bin/proto-loader-gen-types.js"),
);
/** As in `npm run gen:types`; the first four say what `protoOptions` says. */
const generatorFlags = [
  "--keepCase",
  "--longs=Number",
  "--enums=String",
  "--oneofs",
  "--grpcLib=@grpc/grpc-js",
  "--importFileExtension=.ts",
  "--includeDirs=proto",
];

async function readAll(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const texts = files.map(
    async (file) => [file.slice(folder.length), await readFile(file, "utf8")] as const,
  );
  return Object.fromEntries(await Promise.all(texts));
}
