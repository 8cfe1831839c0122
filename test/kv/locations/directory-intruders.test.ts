/** What somebody who may write under the root could plant there: nothing is followed, touched or taken for ours. */
import { execFile } from "node:child_process";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import * as nodeFs from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { collect, expectationOf, lent, patterned } from "../../support/bytes.ts";
import { openDirectory } from "../../../src/kv/locations/directory.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import { createRoot, openAt } from "./roots.ts";

const name = "123456789" as ObjectName; // in 24/26
const bytes = patterned(1_000);
const secret = "not for engines";

let root: Awaited<ReturnType<typeof createRoot>>;
let outside: Awaited<ReturnType<typeof createRoot>>;
let location: DirectoryLocation;
let file: string;

beforeEach(async () => {
  root = await createRoot();
  outside = await createRoot();
  await writeFile(join(outside.path, "secret"), secret);
  location = await openAt(root.path);
  file = join(root.path, "24", "26", name);
});
afterEach(async () => {
  await location.close();
  await root.remove();
  await outside.remove();
});

/** Every operation on the name, by what it ends in. */
async function allOperations(): Promise<Record<string, unknown>> {
  const expectation = expectationOf(bytes);
  const write = { name, offset: 0, source: lent(bytes), expect: expectation };
  const read = collect(location.read(name, [{ offset: 0, length: 1 }]));
  return {
    read: await read.catch((reason: unknown) => faultOf(reason)),
    readInto: faultOf(await location.readInto(name, 0, new Uint8Array(1))),
    stat: faultOf(await location.stat(name)),
    writeAt: faultOf(await location.writeAt(write)),
    extend: faultOf(await location.extend(name, 15, 30)),
    sync: faultOf(await location.sync(name)),
    put: faultOf(await location.put(name, lent(bytes), expectation)),
  };
}

const allNotOurs = {
  read: "not_ours",
  readInto: "not_ours",
  stat: "not_ours",
  writeAt: "not_ours",
  extend: "not_ours",
  sync: "not_ours",
  put: "not_ours",
};

describe("in the place of an object", () => {
  beforeEach(() => mkdir(dirname(file), { recursive: true }));
  afterEach(async () => {
    expect(await readFile(join(outside.path, "secret"), "utf8")).toBe(secret);
    expect(await readdir(outside.path)).toEqual(["secret"]);
  });

  it.each(["secret", "absent"])("a link to a file outside is not followed: %s", async (target) => {
    await symlink(join(outside.path, target), file);
    expect(await allOperations()).toEqual(allNotOurs);
    expect(faultOf(await location.reserve(name, 10))).toBe("exists");
  });

  it("a link that is no object of ours stays, when the object is to be removed", async () => {
    await symlink(join(outside.path, "secret"), file);
    expect(faultOf(await location.removeIf(name, () => true))).toBe("not_ours");
    expect((await lstat(file)).isSymbolicLink()).toBe(true);
  });

  it("a folder is not ours, and stays", async () => {
    await mkdir(file);
    expect(await allOperations()).toEqual(allNotOurs);
    expect(faultOf(await location.removeIf(name, () => true))).toBe("not_ours");
    expect((await lstat(file)).isDirectory()).toBe(true);
  });

  it("a pipe is not ours, and nobody waits for its other end", async () => {
    await promisify(execFile)("mkfifo", [file]);
    expect(await allOperations()).toEqual(allNotOurs);
  });
});

describe.each([
  ["first", ["24"]],
  ["second", ["24", "26"]],
])("in the place of a folder of the %s level", (_, path) => {
  it("a link to a folder outside is not followed", async () => {
    const folder = join(root.path, ...path);
    await mkdir(dirname(folder), { recursive: true });
    await symlink(outside.path, folder);
    expect(await allOperations()).toEqual(allNotOurs);
    expect(faultOf(await location.reserve(name, 10))).toBe("not_ours");
    expect(faultOf(await location.removeIf(name, () => true))).toBe("not_ours");
    expect((await listAll(location)).foreign).toEqual([path.join("/")]);
    expect(await readdir(outside.path)).toEqual(["secret"]);
  });

  it("a file is left alone", async () => {
    const folder = join(root.path, ...path);
    await mkdir(dirname(folder), { recursive: true });
    await writeFile(folder, secret);
    expect(await allOperations()).toEqual(allNotOurs);
    expect(await readFile(folder, "utf8")).toBe(secret);
    expect((await listAll(location)).foreign).toEqual([path.join("/")]);
  });
});

it("a folder that is swapped for a link while it is in use leads nowhere outside", async () => {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  const swapping = await openAt(root.path, {
    fs: {
      ...nodeFs,
      statfs: async (path: string) => {
        const stats = await nodeFs.statfs(path);
        await rename(folder, `${folder}-moved`); // the folder is open by now, and nothing was made in it yet
        await symlink(outside.path, folder);
        return stats;
      },
    },
  });
  ok(await swapping.put(name, lent(bytes), expectationOf(bytes)));
  await swapping.close();
  expect(await readdir(outside.path)).toEqual(["secret"]);
  expect(await readdir(`${folder}-moved`)).toEqual([name]);
});

it("what others put under the root is listed as foreign, once, and never as an object", async () => {
  ok(await location.reserve(name, 10));
  await mkdir(join(root.path, "lost+found"));
  await mkdir(join(root.path, "24", "notes"));
  await writeFile(join(root.path, "24", "26", "no name"), "");
  await writeFile(join(root.path, "24", "26", "in-the-wrong-folder"), "");
  await symlink(file, join(root.path, "24", "26", ".123456789.d1.part"));
  const listed = await listAll(location, 1);
  expect(listed.names).toEqual([name]);
  expect(listed.leftovers).toEqual([]);
  expect(listed.foreign.toSorted()).toEqual([
    "24/26/.123456789.d1.part",
    "24/26/in-the-wrong-folder",
    "24/26/no name",
    "24/notes",
    "lost+found",
  ]);
});

describe("the root", () => {
  const profile = {
    id: "x",
    tier: "disk",
    weight: 1,
    capacityBytes: 10,
    freeFloorBytes: 0,
  } as const;
  const options = {
    profile,
    naming: "flat",
    uriPrefix: "file:///",
    isKnown: false,
    nowMs: () => 1_000_000,
    draftId: () => "d",
  } as const;

  it("must be there", async () => {
    const missing = await openDirectory({ ...options, root: join(root.path, "absent") });
    expect(faultOf(missing)).toBe("not_found");
  });

  it("must be a folder", async () => {
    const wrong = await openDirectory({ ...options, root: join(outside.path, "secret") });
    expect(faultOf(wrong)).toBe("not_ours");
  });
});

describe("for engines of the same group", () => {
  it("files can be written and folders entered, whatever the umask, and nothing is for others", async () => {
    await chmod(root.path, 0o2770);
    const umask = process.umask(0o077);
    try {
      ok(await location.reserve(name, 10));
      ok(await location.put("copy" as ObjectName, lent(bytes), expectationOf(bytes)));
    } finally {
      process.umask(umask);
    }
    const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;
    expect(await modeOf(file)).toBe(0o660);
    expect(
      await modeOf(new URL(location.uri("copy" as ObjectName)).pathname.replace(/^/, root.path)),
    ).toBe(0o660);
    expect(await modeOf(dirname(file))).toBe(0o2750);
    expect(await modeOf(dirname(dirname(file)))).toBe(0o2750);
  });

  it("a mode without the group keeps them out", async () => {
    const closed = await openAt(root.path, { fileMode: 0o600 });
    ok(await closed.reserve(name, 10));
    await closed.close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
  });
});
