/**
 * Another spelling of the same JSON text, in which no key that matters is spelled with an escape, or comes twice in its object: of two
 * the last wins, as in every engine. Bytes are replaced in place and nothing is parsed, so that a text of a million objects holds
 * nobody up, and a number stays as it was written.
 */
import type { MembersQuery, ObjectShape } from "./json-members.ts";
import { jsonText, type JsonText } from "./json-tokens.ts";
import { walkJsonInSlices, type JsonVisitor } from "./json-walk.ts";
import { type KeyNames, numberOfKey } from "./key-names.ts";
import { atOnce, type Slices } from "./slices.ts";
import { type Edit, rewriteInSlices } from "./splice.ts";

/** Of one valid text. What matters is what the query wants and what it cuts out. */
export function withRegularKeys(body: Uint8Array, query: MembersQuery): Uint8Array {
  return atOnce(withRegularKeysInSlices(body, query));
}

export function* withRegularKeysInSlices(
  body: Uint8Array,
  query: MembersQuery,
): Slices<Uint8Array> {
  const text = jsonText(body);
  const keys = new Keys(text, query);
  yield* walkJsonInSlices(text, keys);
  return yield* rewriteInSlices(body, keys.edits);
}

/** One open container. */
interface Frame {
  /** Of an object of which something is wanted. */
  readonly shape: ObjectShape | undefined;
  /** By the number of the name, the cut that would take the last member of that name so far. */
  readonly members: Map<number, Cut>;
  /** The value that comes next is wanted, and this is what is wanted of it. */
  next: ObjectShape | undefined;
  /** The member before, if it is wanted, whose end is where the next key begins. */
  open: Cut | undefined;
}

/** Of a wanted member and the comma behind it. Where it stays, it has no bytes. */
interface Cut {
  readonly start: number;
  end: number;
}

class Keys implements JsonVisitor {
  /** By their places: one that is inside of a cut comes behind it. */
  readonly edits: Edit[] = [];
  readonly #text: JsonText;
  readonly #cut: KeyNames;
  readonly #rootCut: KeyNames;
  readonly #frames: Frame[];

  constructor(text: JsonText, { root, cut, rootCut = cut }: MembersQuery) {
    this.#text = text;
    this.#cut = cut;
    this.#rootCut = rootCut;
    this.#frames = [frameOf(undefined, root)];
  }

  key(start: number, end: number): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    if (frame.open !== undefined) frame.open.end = start - 1;
    frame.open = undefined;
    frame.next = undefined;
    const cut = this.#frames.length === ROOT_FRAMES ? this.#rootCut : this.#cut;
    const name = this.#meet(frame, start) ?? this.#nameIn(cut, start);
    if (name === undefined || name.length === end - start) return;
    this.edits.push({ start, end, bytes: utf8.encode(name) });
  }

  scalar(): void {}

  open(_start: number, isArray: boolean): void {
    const frame = this.#frames.at(-1);
    const shape = isArray ? undefined : frame?.next;
    this.#frames.push(shape === undefined ? ELSEWHERE : frameOf(shape, undefined));
    if (frame !== undefined) frame.next = undefined;
  }

  close(): void {
    const frame = this.#frames.pop();
    for (const last of frame?.members.values() ?? []) last.end = last.start;
  }

  /** The name that the key is, of those that are known in its object. */
  #meet(frame: Frame, start: number): string | undefined {
    const { shape, members } = frame;
    if (shape === undefined) return undefined;
    const number = numberOfKey(shape.names, this.#text, start);
    const member = shape.members[number];
    if (member?.isWanted === true) {
      frame.open = { start: start - 1, end: start - 1 };
      frame.next = member.object;
      members.set(number, frame.open);
      this.edits.push(frame.open);
    }
    return shape.names.names[number];
  }

  #nameIn(names: KeyNames, start: number): string | undefined {
    return names.names[numberOfKey(names, this.#text, start)];
  }
}

function frameOf(shape: ObjectShape | undefined, next: ObjectShape | undefined): Frame {
  return { shape, members: new Map(), next, open: undefined };
}

/** What is around the text, and the object that it is. */
const ROOT_FRAMES = 2;

/** Every container of which nothing is wanted. */
const ELSEWHERE = frameOf(undefined, undefined);

const utf8 = new TextEncoder();
