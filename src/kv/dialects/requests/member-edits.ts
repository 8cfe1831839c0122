/** Members written into a body, in place. */
import type { FoundObject } from "../../../json/json-members.ts";
import type { Edit } from "../../../json/splice.ts";
import { given, type FoundBody } from "./found-body.ts";

/** Into the object of that name at the root, which is made where there is none. */
export function nestedEdits(body: FoundBody, name: string, members: object): Edit[] {
  const object = given(body, name)?.object;
  return object === undefined
    ? memberEdits(body.root, { [name]: members })
    : memberEdits(object, members);
}

/** Gives an object these members, at its head where it does not have them yet. */
export function memberEdits(object: FoundObject, members: object): Edit[] {
  const edits: Edit[] = [];
  const added: string[] = [];
  for (const [name, value] of Object.entries(members)) {
    const old = object.members.get(name);
    const json = JSON.stringify(value);
    if (old === undefined) added.push(`${JSON.stringify(name)}:${json}`);
    else edits.push(replace(old.value, utf8.encode(json)));
  }
  if (added.length === 0) return edits;
  const separator = object.isEmpty ? "" : ",";
  const head = { start: object.start, end: object.start };
  return [replace(head, utf8.encode(added.join(",") + separator)), ...edits];
}

export function replace({ start, end }: Edit, bytes: Uint8Array): Edit {
  return { start, end, bytes };
}

const utf8 = new TextEncoder();
export const NULL = utf8.encode("null");
