/**
 * Runs a chat template as the engines do, whose language writes out what is no text in other words than ours: `True`, `None`. Where two values are one text
 * here and two there, the KV of one prompt would be loaded for another. A list or an object that is written out as it is, and not as JSON, is refused.
 */
import { Environment, Interpreter } from "@huggingface/jinja";
import { nodesIn, type Node } from "./template-reads.ts";

/** Of the library, whose own types cannot be found by its imports. */
interface Value {
  readonly type: string;
  readonly value: unknown;
}

interface Runner {
  run(program: object): Value;
  evaluate(node: object | undefined, variables: unknown): Value;
}

const LibraryRunner = Interpreter as unknown as new (variables: Environment) => Runner;

/** What becomes of the value of an expression. */
type Use = "written" | "joined" | "counted";

/** Of one template. */
export class PythonWriting {
  readonly #program: object;
  readonly #uses = new Map<object, Use>();

  constructor(program: object) {
    this.#program = program;
    for (const node of nodesIn(program)) {
      for (const block of BLOCKS) this.#note("written", node[block]);
      const { type } = node;
      if (type === "BinaryExpression" && isNamed(node["operator"], "~")) {
        this.#note("written", [node["left"], node["right"]]);
      }
      if (type === "FilterExpression" && isNamed(node["filter"], "string")) {
        this.#note("written", [node["operand"]]);
      }
      if (type === "FilterExpression" && isNamed(node["filter"], "join")) {
        this.#note("joined", [node["operand"]]);
      }
      if (type === "TestExpression" && isNamed(node["test"], "number")) {
        this.#note("counted", [node["operand"]]);
      }
    }
  }

  /** Throws what the template throws, and for what is not written alike. */
  render(variables: Readonly<Record<string, unknown>>): string {
    const environment = new Environment();
    for (const [name, value] of [...GLOBALS, ...Object.entries(variables)]) {
      environment.set(name, value);
    }
    return String(new Writer(environment, this.#uses).run(this.#program).value);
  }

  #note(use: Use, nodes: unknown): void {
    if (!Array.isArray(nodes)) return;
    for (const node of nodes as Node[]) if (!STATEMENTS.has(node.type)) this.#uses.set(node, use);
  }
}

class Writer extends LibraryRunner {
  readonly #uses: ReadonlyMap<object, Use>;

  constructor(variables: Environment, uses: ReadonlyMap<object, Use>) {
    super(variables);
    this.#uses = uses;
  }

  override evaluate(node: object | undefined, variables: unknown): Value {
    const value = super.evaluate(node, variables);
    const use = node && this.#uses.get(node);
    if (use === undefined || isText(value)) return value;
    if (use === "joined" && Array.isArray(value.value) && value.value.every(isText)) return value;
    if (use === "counted" && value.type !== "BooleanValue") return value;
    const text = use === "written" ? writtenOut(value) : undefined;
    if (text === undefined) throw new Error(`${value.type} is written out by engines otherwise`);
    return super.evaluate({ type: "StringLiteral", value: text }, variables);
  }
}

/** Those that are written the same. Nothing is written of what is undefined. */
function isText({ type }: Value): boolean {
  return TEXTS.has(type);
}

function writtenOut({ type, value }: Value): string | undefined {
  if (type === "NullValue") return "None";
  return type === "BooleanValue" ? (value === true ? "True" : "False") : undefined;
}

function isNamed(node: unknown, name: string): boolean {
  const { value, callee } = (node ?? {}) as { value?: unknown; callee?: { value?: unknown } };
  return value === name || callee?.value === name;
}

const TEXTS: ReadonlySet<string> = new Set([
  "StringValue",
  "IntegerValue",
  "FloatValue",
  "UndefinedValue",
]);
/** Of nodes, with what they write. */
const BLOCKS = ["body", "alternate", "defaultBlock"];
/** What they write is noted in their own blocks. */
const STATEMENTS: ReadonlySet<string> = new Set([
  "Set",
  "If",
  "For",
  "Macro",
  "CallStatement",
  "FilterStatement",
  "Break",
  "Continue",
  "Comment",
]);

const GLOBALS: readonly (readonly [name: string, value: unknown])[] = [
  ["true", true],
  ["false", false],
  ["none", null],
  ["True", true],
  ["False", false],
  ["None", null],
  ["raise_exception", raise],
  ["range", range],
];

function raise(message: unknown): never {
  throw new Error(String(message));
}

function range(first: number, end?: number, step = 1): number[] {
  const [from, to] = end === undefined ? [0, first] : [first, end];
  return Array.from(
    { length: Math.max(0, Math.ceil((to - from) / step)) },
    (_, at) => from + at * step,
  );
}
