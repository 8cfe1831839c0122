/** A process that holds the lock of the catalog at the given path, for a test to kill; says what became of it. */
import { randomUUID } from "node:crypto";
import { argv, stdin, stdout } from "node:process";

import { lockCatalog } from "../../../src/kv/catalog/catalog-lock.ts";

const [, , path = ""] = argv;
const outcome = await lockCatalog({ path, newName: randomUUID });
stdout.write(`${outcome.kind}\n`);
stdin.resume(); // alive until it is killed, or its input ends
