/**
 * Where members of a JSON text are, found in one pass over its bytes: members to be cut out, whatever object they are in, and
 * members that somebody wants to read or to replace, at their places. The text without the cuts is valid JSON again.
 *
 * Linear in the text, whatever it holds, and no values are built: what is kept grows with the cuts and the wanted members only.
 */
import { jsonText, type JsonText } from "./json-tokens.ts";
import { bothOf, walkJsonInSlices, type JsonVisitor } from "./json-walk.ts";
import { compileKeyNames, numberOfKey, type KeyNames } from "./key-names.ts";
import { atOnce, type Slices } from "./slices.ts";

/** What is looked for in one object. */
export interface ObjectShape {
  readonly names: KeyNames;
  /** By the number of the name. */
  readonly members: readonly MemberShape[];
}

interface MemberShape {
  readonly isWanted: boolean;
  /** Of a wanted member's value, if that is an object. */
  readonly object: ObjectShape | undefined;
}

export interface ShapeNames {
  /** Each with what is wanted of the object that it may be; null: nothing. */
  readonly wanted: Readonly<Record<string, ObjectShape | null>>;
  /** Not wanted, and not unknown either. */
  readonly known?: Iterable<string>;
}

export function objectShape({ wanted, known = [] }: ShapeNames): ObjectShape {
  const members = new Map<string, MemberShape>();
  for (const name of known) members.set(name, { isWanted: false, object: undefined });
  for (const [name, object] of Object.entries(wanted)) {
    members.set(name, { isWanted: true, object: object ?? undefined });
  }
  return { names: compileKeyNames([...members.keys()]), members: [...members.values()] };
}

/** Bytes from `start` to before `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface FoundObject {
  /** Behind its opening brace. */
  readonly start: number;
  /** Without the members that are cut out. */
  readonly isEmpty: boolean;
  /** Members of this very object that are cut out. */
  readonly cutMembers: number;
  /** There are members besides those of the shape and those cut out. */
  readonly hasUnknown: boolean;
  readonly members: ReadonlyMap<string, FoundMember>;
}

export interface FoundMember {
  /** Its key, quotes included. */
  readonly key: Span;
  readonly value: Span;
  /** Undefined where it is none, or none is wanted. */
  readonly object: FoundObject | undefined;
}

export type MembersScan =
  | {
      readonly kind: "members";
      /** Undefined: the text is no object. */
      readonly root: FoundObject | undefined;
      /** In order, and apart from each other. */
      readonly cuts: readonly Span[];
      /** Members that are cut out; those inside of them are not counted. */
      readonly cutMembers: number;
      /** A wanted key comes twice in its object, or it or one to be cut out is spelled with an escape. */
      readonly isIrregular: boolean;
    }
  | { readonly kind: "unreadable"; readonly offset: number };

export interface MembersQuery {
  readonly root: ObjectShape;
  /** The keys of members that are cut out of every object. */
  readonly cut: KeyNames;
  /** In place of `cut` for the object that is the whole text; `cut` unless given. */
  readonly rootCut?: KeyNames | undefined;
}

export function scanJsonMembers(body: Uint8Array, query: MembersQuery): MembersScan {
  return atOnce(scanJsonMembersInSlices(body, query));
}

/** `also`: told of the same text. */
export function* scanJsonMembersInSlices(
  body: Uint8Array,
  query: MembersQuery,
  also?: JsonVisitor,
): Slices<MembersScan> {
  const text = jsonText(body);
  const members = new Members(text, query);
  const visitor = also === undefined ? members : bothOf(members, also);
  const offset = yield* walkJsonInSlices(text, visitor);
  if (offset !== undefined) return { kind: "unreadable", offset };
  const { root, cuts, cutMembers, isIrregular } = members;
  return { kind: "members", root, cuts, cutMembers, isIrregular };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NOWHERE: Span = { start: 0, end: 0 };
const NO_MEMBERS: ReadonlyMap<string, FoundMember> = new Map();
/** Of the members of the object that is the whole text. */
const ROOT_DEPTH = 1;

/** One open container; what is around the root counts as one. */
class Frame {
  /** What is looked for in it. */
  shape: ObjectShape | undefined;
  found: Mutable<FoundObject> | undefined;
  /** Behind its last value; -1 while all its members so far, if any, are cut out. */
  keptEnd = -1;
  /** The key of the last member if that is cut out and all before it are; it takes what separates it from the next along. -1: it is not. */
  headCut = -1;
  /** Behind the value of that member. */
  headCutEnd = -1;
  /** The wanted member whose value comes next or is being read, and what is wanted of it. */
  member: Mutable<FoundMember> | undefined;
  memberShape: ObjectShape | undefined;
  valueStart = 0;

  reset(): void {
    this.shape = undefined;
    this.found = undefined;
    this.keptEnd = -1;
    this.headCut = -1;
    this.member = undefined;
  }
}

class Members implements JsonVisitor {
  readonly cuts: Span[] = [];
  cutMembers = 0;
  isIrregular = false;

  readonly #text: JsonText;
  readonly #cut: KeyNames;
  readonly #rootCut: KeyNames;
  readonly #root: Mutable<FoundMember> = { key: NOWHERE, value: NOWHERE, object: undefined };
  /** By depth. Used again and again. */
  readonly #frames: Frame[] = [];
  #depth = 0;
  #frame = this.#at(0);
  /** Of the object from which a member is being cut out; -1: none is. */
  #cutDepth = -1;
  /** The opening quote of that member's key. */
  #cutKey = 0;

  constructor(text: JsonText, query: MembersQuery) {
    this.#text = text;
    this.#cut = query.cut;
    this.#rootCut = query.rootCut ?? query.cut;
    this.#frame.member = this.#root;
    this.#frame.memberShape = query.root;
  }

  get root(): FoundObject | undefined {
    return this.#root.object;
  }

  key(start: number, end: number): void {
    if (this.#cutDepth >= 0) return;
    const frame = this.#frame;
    if (frame.headCut >= 0) {
      this.cuts.push({ start: frame.headCut, end: start - 1 });
      frame.headCut = -1;
    }
    const cut = this.#depth === ROOT_DEPTH ? this.#rootCut : this.#cut;
    const number = numberOfKey(cut, this.#text, start);
    if (number < 0) {
      if (frame.found !== undefined) this.#meet(frame.found, start, end);
      return;
    }
    this.#cutDepth = this.#depth;
    this.#cutKey = start - 1;
    this.cutMembers++;
    if (frame.found !== undefined) frame.found.cutMembers++;
    if (cut.names[number]?.length !== end - start) this.isIrregular = true;
  }

  scalar(start: number, end: number): void {
    this.#frame.valueStart = start;
    this.#end(end);
  }

  open(start: number, isArray: boolean): void {
    const { member, memberShape } = this.#frame;
    this.#frame.valueStart = start;
    this.#frame = this.#at(++this.#depth);
    this.#frame.reset();
    if (isArray || member === undefined || memberShape === undefined) return;
    const found = { start: start + 1, isEmpty: true, cutMembers: 0, hasUnknown: false };
    member.object = this.#frame.found = { ...found, members: NO_MEMBERS };
    this.#frame.shape = memberShape;
  }

  close(end: number): void {
    const { headCut, headCutEnd, keptEnd, found } = this.#frame;
    if (headCut >= 0) this.cuts.push({ start: headCut, end: headCutEnd });
    if (found !== undefined) found.isEmpty = keptEnd < 0;
    this.#frame = this.#at(--this.#depth);
    this.#end(end);
  }

  /** A value of the innermost container ends. */
  #end(end: number): void {
    const frame = this.#frame;
    if (this.#cutDepth === this.#depth) {
      this.#cutDepth = -1;
      if (frame.keptEnd < 0) {
        frame.headCut = this.#cutKey;
        frame.headCutEnd = end;
        return;
      }
      this.cuts.push({ start: frame.keptEnd, end });
    }
    frame.keptEnd = end;
    if (frame.member === undefined) return;
    frame.member.value = { start: frame.valueStart, end };
    frame.member = undefined;
  }

  /** A key of an object of which something is wanted. An irregular text is of no further use. */
  #meet(found: Mutable<FoundObject>, start: number, end: number): void {
    const frame = this.#frame;
    if (frame.shape === undefined || this.isIrregular) return;
    const number = numberOfKey(frame.shape.names, this.#text, start);
    const shape = frame.shape.members[number];
    if (shape === undefined) found.hasUnknown = true;
    if (shape?.isWanted !== true) return;
    const name = frame.shape.names.names[number] ?? "";
    this.isIrregular = name.length !== end - start || found.members.has(name);
    frame.member = { key: { start: start - 1, end: end + 1 }, value: NOWHERE, object: undefined };
    frame.memberShape = shape.object;
    if (found.members === NO_MEMBERS) found.members = new Map();
    (found.members as Map<string, FoundMember>).set(name, frame.member);
  }

  #at(depth: number): Frame {
    return (this.#frames[depth] ??= new Frame());
  }
}
