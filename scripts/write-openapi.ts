/**
 * Writes openapi.json from the schemas that validate, and client/schema.d.ts from that, with the document's hash in its first line.
 * openapi-typescript is fetched for it, with the TypeScript that it needs, since neither is used by anything else.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { describeKvApi } from "../src/api/description.ts";

const DOCUMENT = "openapi.json";
const TYPES = "client/schema.d.ts";
const PACKAGES = ["openapi-typescript@7.13.0", "typescript@5.9.3"];

process.chdir(new URL("..", import.meta.url).pathname);
writeFileSync(DOCUMENT, JSON.stringify(await describeKvApi(), null, 2));
run("oxfmt", DOCUMENT);
const packages = PACKAGES.map((name) => `--package=${name}`);
run("npm", "exec", "--yes", ...packages, "--", "openapi-typescript", DOCUMENT, "-o", TYPES);
const hash = createHash("sha256").update(readFileSync(DOCUMENT)).digest("hex");
const types = readFileSync(TYPES, "utf8");
writeFileSync(
  TYPES,
  `// Made from openapi.json of SHA-256 ${hash} by \`npm run gen:client\`.\n${types}`,
);
run("oxfmt", TYPES);

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
}
