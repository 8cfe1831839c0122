/** What a parsed chat template reads, without running it. */

/** A node of the parser, whose types it keeps to itself. */
export interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Variables and filters that say something else each time, in Jinja, in what engines add to it, or in what people do. */
const CHANGING: ReadonlySet<string> = new Set([
  "strftime_now",
  "now",
  "utcnow",
  "today",
  "date",
  "time",
  "datetime",
  "random",
  "lipsum",
]);

/** Names that the engines know a message by, when they look for templates that take its content in parts. */
const MESSAGE_NAMES: ReadonlySet<unknown> = new Set(["message", "msg", "m"]);

/** The name of the first thing that is not the same in every render; undefined: there is none. */
export function findChangingName(template: object): string | undefined {
  const read = new Set<string>();
  const written = new Set<string>();
  for (const node of nodesIn(template)) {
    for (const target of targetsOf(node)) written.add(target);
    const name = node.type === "Identifier" ? node["value"] : undefined;
    if (typeof name === "string") read.add(name);
  }
  return [...read].find((name) => CHANGING.has(name) && !written.has(name));
}

/** By one of these in its text, whatever it says, SGLang takes a template for one of several media. */
const MEDIA_NAMES = /image|audio|video|vision/;

/**
 * Whether the engine shows a message's content to the template as it is: it goes through the content part by part, as far as the engine can see, or says something of media. Else it
 * takes one text, and parts are joined for it.
 */
export function takesContentParts(template: object, text: string): boolean {
  if (MEDIA_NAMES.test(text)) return true;
  for (const node of nodesIn(template)) {
    if (node.type === "For" && isContent(node["iterable"])) return true;
  }
  return false;
}

function isContent(value: unknown): boolean {
  if (!isNode(value)) return false;
  if (value.type === "FilterExpression") return isContent(value["operand"]);
  if (value.type === "SelectExpression") return isContent(value["lhs"]);
  if (value.type === "Identifier") return value["value"] === "content";
  if (value.type !== "MemberExpression") return false;
  const { object, property } = value;
  if (!isNode(object) || !isNode(property)) return false;
  return property["value"] === "content" && MESSAGE_NAMES.has(object["value"]);
}

/** All nodes but those that are names of members and arguments. */
export function* nodesIn(value: unknown): Generator<Node> {
  if (value instanceof Map) {
    for (const pair of value) yield* nodesIn(pair);
  } else if (Array.isArray(value)) {
    for (const item of value) yield* nodesIn(item);
  } else if (isNode(value)) {
    yield value;
    for (const [field, part] of Object.entries(value)) {
      if (!isMemberName(value, field)) yield* nodesIn(part);
    }
  }
}

function isMemberName(node: Node, field: string): boolean {
  if (node.type === "MemberExpression") return field === "property" && node["computed"] === false;
  return node.type === "KeywordArgumentExpression" && field === "key";
}

/** Variables that the template makes itself. */
function targetsOf(node: Node): string[] {
  if (node.type === "Set") return namesIn(node["assignee"]);
  if (node.type === "For") return namesIn(node["loopvar"]);
  if (node.type === "Macro") return [...namesIn(node["name"]), ...namesIn(node["args"])];
  return [];
}

/** Identifiers that are targets themselves, or in a tuple or list of them. */
function namesIn(target: unknown): string[] {
  if (Array.isArray(target)) return target.flatMap(namesIn);
  if (!isNode(target)) return [];
  if (target.type === "Identifier") return [String(target["value"])];
  if (target.type === "TupleLiteral") return namesIn(target["value"]);
  return target.type === "KeywordArgumentExpression" ? namesIn(target["key"]) : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}
