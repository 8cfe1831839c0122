/**
 * google.protobuf.Struct, as far as Envoy's attributes and metadata need it: strings and numbers under known keys, and lists of
 * strings. Everything else is passed over.
 */
import type { HeaderNames } from "./header-names.ts";
import { doubleTag, lengthTag, type WireReader } from "./wire.ts";

export type Scalar = string | number | undefined;

/** attributes: map<string, Struct>; Envoy puts all of them under the filter's name. */
export function readAttributes(reader: WireReader, names: HeaderNames): Scalar[] {
  const values: Scalar[] = []; // sparse: only what came
  const end = reader.enter();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lengthTag(2)) readAttributeStruct(reader, values, names);
    else reader.skip(tag);
  }
  reader.leave(end);
  return values;
}

/** Struct { map<string, Value> fields = 1 }. */
function readAttributeStruct(reader: WireReader, values: Scalar[], names: HeaderNames): void {
  const end = reader.enter();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== lengthTag(1)) {
      reader.skip(tag);
      continue;
    }
    const entryEnd = reader.enter();
    let index = -1;
    for (let part = reader.tag(); part !== 0; part = reader.tag()) {
      if (part === lengthTag(1)) {
        const at = reader.position();
        index = names.indexOf(reader.view, at, reader.lastLength);
      } else if (part === lengthTag(2) && index >= 0) values[index] = readScalar(reader);
      else reader.skip(part);
    }
    reader.leave(entryEnd);
  }
  reader.leave(end);
}

/** Value { double number_value = 2; string string_value = 3; ... }; anything else is undefined. */
function readScalar(reader: WireReader): Scalar {
  const end = reader.enter();
  let value: Scalar;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === doubleTag(2)) value = reader.double();
    else if (tag === lengthTag(3)) value = reader.latin1();
    else reader.skip(tag);
  }
  reader.leave(end);
  return value;
}

/**
 * Metadata { map<string, Struct> filter_metadata = 1 }: the Endpoint Picker Protocol's subset hint on the way in, its `-served`
 * address on the way back (Gateway API Inference Extension, proposal 004).
 */
export function readMetadata(
  reader: WireReader,
  wanted: { readonly subsetKey: string; readonly servedKey: string },
  into: { subset: string[] | undefined; served: string | undefined },
): void {
  const end = reader.enter();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== lengthTag(1)) {
      reader.skip(tag);
      continue;
    }
    const entryEnd = reader.enter();
    let namespace = "";
    for (let part = reader.tag(); part !== 0; part = reader.tag()) {
      if (part === lengthTag(1)) namespace = reader.latin1();
      else if (part === lengthTag(2) && namespace === "envoy.lb.subset_hint") {
        into.subset = readStrings(reader, wanted.subsetKey) ?? into.subset;
      } else if (part === lengthTag(2) && namespace === "envoy.lb") {
        into.served = readStrings(reader, wanted.servedKey)?.[0] ?? into.served;
      } else reader.skip(part);
    }
    reader.leave(entryEnd);
  }
  reader.leave(end);
}

/** The strings under one key of a Struct: a string value, or those in a list. undefined where the key is absent. */
function readStrings(reader: WireReader, key: string): string[] | undefined {
  const end = reader.enter();
  let found: string[] | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== lengthTag(1)) {
      reader.skip(tag);
      continue;
    }
    const entryEnd = reader.enter();
    let isKey = false;
    for (let part = reader.tag(); part !== 0; part = reader.tag()) {
      if (part === lengthTag(1)) {
        isKey = reader.latin1() === key;
        if (isKey) found = [];
      } else if (part === lengthTag(2) && isKey && found !== undefined)
        readStringValues(reader, found);
      else reader.skip(part);
    }
    reader.leave(entryEnd);
  }
  reader.leave(end);
  return found;
}

/** Value { string string_value = 3; ListValue list_value = 6 }, ListValue { repeated Value values = 1 }; lists one deep. */
function readStringValues(reader: WireReader, into: string[]): void {
  const end = reader.enter();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lengthTag(3)) into.push(reader.latin1());
    else if (tag === lengthTag(6)) {
      const listEnd = reader.enter();
      for (let item = reader.tag(); item !== 0; item = reader.tag()) {
        const value = item === lengthTag(1) ? readScalar(reader) : reader.skip(item);
        if (typeof value === "string") into.push(value);
      }
      reader.leave(listEnd);
    } else reader.skip(tag);
  }
  reader.leave(end);
}
