import * as z from "zod";
import { configSchema } from "../../src/config/schema.ts";

/** One row of the tables in docs/config.md, without its meaning. */
export interface KeyRow {
  readonly key: string;
  readonly default: string;
  readonly limit: string;
}

interface Node {
  readonly type?: string;
  readonly default?: string | number | boolean | null | readonly string[];
  readonly limit?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
}

/** Every key of the schema that has a value of its own, in order. */
export function schemaRows(): KeyRow[] {
  const root = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }) as Node;
  return childRows(root, "");
}

function childRows(parent: Node, prefix: string): KeyRow[] {
  return Object.entries(parent.properties ?? {}).flatMap(([name, node]) => {
    const key = prefix + name;
    const isRequired = parent.required?.includes(name) ?? false;
    const value = node.anyOf?.find(({ type }) => type !== "null") ?? node;
    if (value === node && value.properties) return childRows(value, `${key}.`);
    const row = { key, default: defaultText(node, isRequired), limit: limitText(value) };
    if (value.items?.properties) return [row, ...childRows(value.items, `${key}[].`)];
    return [row, ...childRows(value, `${key}.`)];
  });
}

function defaultText(node: Node, isRequired: boolean): string {
  if (isRequired) return "required";
  if (node.default === undefined) return "none";
  if (typeof node.default !== "object" || node.default === null) return `\`${node.default}\``;
  return node.default.map((item) => `\`${item}\``).join(", ") || "`[]`";
}

function limitText(node: Node): string {
  if (node.enum) return node.enum.join(", ");
  const range =
    node.type === "array"
      ? `${node.minItems ?? 0}..${node.maxItems} items`
      : node.minimum === undefined
        ? undefined
        : `${node.minimum}..${node.maximum}`;
  const kind = { boolean: "true, false", object: "a mapping" }[node.type ?? ""];
  return [range, node.limit, node.items?.limit, kind]
    .filter((part) => part !== undefined)
    .join(", ");
}
