import { describe, expect, it } from "vitest";

import { draftedName, draftOf, Layout } from "../../../src/kv/locations/directory-naming.ts";
import { parseObjectName } from "../../../src/kv/location.ts";
import type { ObjectName } from "../../../src/kv/location.ts";

const seedName = "session-97f1226c-e752-4961-a858-432814b5dce0" as ObjectName;

describe("flat naming", () => {
  it("gives the URI of the engine's own example", () => {
    const layout = new Layout("flat", "file:///");
    expect(layout.uri(seedName)).toBe(`file:///${seedName}`);
    expect(layout.nameOf(`file:///${seedName}`)).toBe(seedName);
  });

  it("lies below another folder of the engines' root when the prefix says so", () => {
    const layout = new Layout("flat", "file:///disk-1/");
    expect(layout.uri(seedName)).toBe(`file:///disk-1/${seedName}`);
    expect(layout.nameOf(`file:///${seedName}`)).toBeUndefined();
  });
});

describe("sharded naming", () => {
  const layout = new Layout("sharded", "file:///");

  it("puts a name into the folders of 12 bits of its CRC-32", () => {
    // crc32("123456789") is 0xcbf43926 by the standard's check value; its low 12 bits are 100100 100110.
    expect(layout.uri("123456789" as ObjectName)).toBe("file:///24/26/123456789");
  });

  it("knows a name in its own folder only", () => {
    expect(layout.nameOf("file:///24/26/123456789")).toBe("123456789");
    expect(layout.nameOf("file:///24/27/123456789")).toBeUndefined();
    expect(layout.nameOf("file:///123456789")).toBeUndefined();
  });

  it.each([
    ["numbered", (n: number) => `session-${n}`],
    ["random", (n: number) => `${((n * 2_654_435_761) >>> 0).toString(36)}-${n.toString(36)}`],
  ])("spreads %s names so that no folder has above 10,000 of ten million", (_, nameAt) => {
    const count = 400_000;
    const counts = new Map<string, number>();
    for (let n = 0; n < count; n++) {
      const folder = layout.folderOf(nameAt(n) as ObjectName).join("/");
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    const fullest = Math.max(...counts.values());
    expect(counts.size).toBeLessThanOrEqual(64 * 64);
    expect(fullest * (10_000_000 / count)).toBeLessThan(10_000);
  });
});

describe("drafts", () => {
  it.each(["a", "a.e1", "x.part"])(
    "lead back to the name %s, and are no names themselves",
    (name) => {
      const draft = draftOf(name as ObjectName, "0-Id_9");
      expect(draftedName(draft)).toBe(name);
      expect(parseObjectName(draft)).toBeUndefined();
    },
  );

  it.each([
    ".a.part",
    "a.d.part",
    "..d.part",
    ".a/b.d.part",
    ".a.b.c.d.part",
    ".a.d.part\n",
    ".a.d",
  ])("are not %j", (entry) => {
    expect(draftedName(entry)).toBeUndefined();
  });
});
