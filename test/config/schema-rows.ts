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
  readonly default?: unknown;
  readonly const?: string;
  readonly limit?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
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
    const value = merged(node.anyOf?.find(({ type }) => type !== "null") ?? node);
    if (value === node && value.properties) return childRows(value, `${key}.`);
    const row = { key, default: defaultText(node, isRequired), limit: limitText(value) };
    if (value.items?.properties) return [row, ...childRows(value.items, `${key}[].`)];
    return [row, ...childRows(value, `${key}.`)];
  });
}

/** A mapping of several kinds as one with the keys of all of them; the key that names the kind has one literal of each. */
function merged(node: Node): Node {
  if (node.oneOf === undefined) return node;
  const kinds = node.oneOf.flatMap(({ properties }) => properties?.["kind"]?.const ?? []);
  return {
    type: "object",
    properties: {
      ...Object.assign({}, ...node.oneOf.map(({ properties }) => properties)),
      kind: { enum: kinds },
    },
    required: node.oneOf.flatMap(({ required }) => required ?? []),
  };
}

function defaultText(node: Node, isRequired: boolean): string {
  if (isRequired) return "required";
  if (node.default === undefined) return "none";
  if (!Array.isArray(node.default)) return `\`${plain(node.default)}\``;
  return node.default.map((item) => `\`${plain(item)}\``).join(", ") || "`[]`";
}

/** A mapping is known by its name, where it has one. */
function plain(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return "name" in value ? String(value.name) : JSON.stringify(value);
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
