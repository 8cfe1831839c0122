/**
 * A process that a test kills or limits. `put ROOT`: puts objects named after their content, one after the other, and writes the
 * name of each that is done to stdout. `adopt ROOT`: the same with what an engine saved. `limit ROOT`: says what ends at a file size limit.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { crc32 } from "node:zlib";

import { parseObjectName } from "../../../src/kv/location.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { faultOf, ok } from "../../support/location-results.ts";
import { expectationOf, lent } from "../../support/bytes.ts";
import { openAt } from "./roots.ts";

const [, , task, root = ""] = argv;
const location = await openAt(root, { draftId: randomUUID });

function named(bytes: Uint8Array): ObjectName {
  const name = parseObjectName(`${crc32(bytes)}-${bytes.length}`);
  if (name === undefined) throw new Error("not a name");
  return name;
}

if (task === "put") {
  for (;;) {
    const bytes = randomBytes(1 + (randomBytes(3).readUIntLE(0, 3) % 2_000_000));
    ok(await location.put(named(bytes), lent(bytes), expectationOf(bytes)));
    stdout.write(`${named(bytes)}\n`);
  }
}

if (task === "adopt") {
  const { staging } = location;
  for (;;) {
    const bytes = randomBytes(1 + (randomBytes(3).readUIntLE(0, 3) % 200_000));
    const staged = `${randomUUID()}.slot` as StagedName;
    await writeFile(join(staging.path, staged), bytes);
    ok(await staging.adopt(staged, named(bytes), ok(await staging.examine(staged))));
    stdout.write(`${named(bytes)}\n`);
  }
}

const bytes = randomBytes(200_000);
const name = named(bytes);
const put = faultOf(await location.put(name, lent(bytes), expectationOf(bytes)));
const reserve = faultOf(await location.reserve(name, 200_000));
const stat = await location.stat(name);
const page = ok(await location.list(undefined, 10));
const { objects, leftovers } = page;
stdout.write(JSON.stringify({ put, reserve, isThere: stat !== undefined, objects, leftovers }));
