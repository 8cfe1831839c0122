import { mkdir, mkdtemp, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, type Scheduler } from "../../../src/clock.ts";
import {
  FileDiscovery,
  MAX_ENDPOINTS_FILE_BYTES,
  readEndpointsFile,
  type FileDiscoveryOptions,
} from "../../../src/endpoints/discovery/file-discovery.ts";
import type { AppError } from "../../../src/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { describeDiscovery } from "./discovery-contract.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-endpoints-"));
  path = join(folder, "endpoints.yaml");
});
afterEach(() => rm(folder, { recursive: true }));

const listOf = (...addresses: readonly string[]) => JSON.stringify({ endpoints: addresses });

/** Never fires: what happens then is the doing of `reload` alone. */
const stopped: Scheduler = { after: () => () => undefined };

async function startAt(text: string, given: Partial<FileDiscoveryOptions> = {}) {
  await writeFile(path, text);
  const rejections: AppError[] = [];
  const published: string[] = [];
  const discovery = new FileDiscovery({
    path,
    scheduler: stopped,
    rejected: (error) => rejections.push(error),
    ...given,
  });
  await discovery.start((list) => published.push(list.map(({ id }) => id).join()));
  return { discovery, published, rejections };
}

describeDiscovery("an endpoints file", async (addresses) => {
  await writeFile(path, listOf(...addresses));
  const discovery = new FileDiscovery({ path, scheduler: stopped, rejected: () => undefined });
  const change = async (list: readonly string[]): Promise<void> => {
    await writeFile(path, listOf(...list));
    await discovery.reload();
  };
  return { discovery, change };
});

describe("an endpoints file", () => {
  it.each([
    ["JSON", '{ "endpoints": ["10.0.0.1:80", {"address": "10.0.0.2:80", "id": "b"}] }'],
    ["YAML", "# ours\nendpoints:\n  - 10.0.0.1:80\n  - address: 10.0.0.2:80\n    id: b\n"],
    ["YAML in flow style", "{ endpoints: ['10.0.0.1:80', { address: '10.0.0.2:80', id: b }] }"],
  ])("is read as %s", async (_form, text) => {
    const { discovery, published } = await startAt(text);
    expect(published).toEqual(["10.0.0.1:80,b"]);
    await discovery.close();
  });

  it.each([
    ["", "must be an object with the one key `endpoints`"],
    ["[]", "must be an object with the one key `endpoints`"],
    ["endpoint: []", "endpoint: unknown key"],
    [
      "endpoints: [foo:80, 10.0.0.1:0]",
      'endpoints[0] "foo:80": host must be an IPv4 or IPv6 address\n  endpoints[1]',
    ],
    ["endpoints: [", "line 1, column 13: Flow sequence in block collection"],
    ["endpoints: []\nendpoints: []", "Map keys must be unique"],
    [bomb(), "Excessive alias count"],
    [`#${"x".repeat(MAX_ENDPOINTS_FILE_BYTES)}`, "has 1048577 bytes, at most 1048576 are allowed"],
  ])("is refused at the start, with every problem: %.30s", async (text, problem) => {
    await expect(startAt(text)).rejects.toMatchObject({
      code: "endpoints_invalid",
      message: expect.stringContaining(problem) as unknown,
    });
    await expect(readEndpointsFile(path)).rejects.toThrow(
      `endpoints file ${path} cannot be used:\n  `,
    );
  });

  it("may be as large as the limit", async () => {
    const list = "endpoints: []\n#";
    await writeFile(path, list + "x".repeat(MAX_ENDPOINTS_FILE_BYTES - list.length));
    expect(await readEndpointsFile(path)).toEqual([]);
  });

  it("is refused at the start when it is not there, or not a file", async () => {
    await expect(readEndpointsFile(path)).rejects.toMatchObject({ code: "endpoints_invalid" });
    await expect(readEndpointsFile(path)).rejects.toThrow("no such file");
    await expect(readEndpointsFile(folder)).rejects.toThrow("is not a regular file");
  });

  it("lists at most 50 problems and counts the others", async () => {
    await writeFile(path, listOf(...Array.from({ length: 60 }, () => "foo:80")));
    const error = await readEndpointsFile(path).catch((reason: unknown) => reason as AppError);
    expect((error as AppError).message.split("\n")).toHaveLength(52);
    expect((error as AppError).message).toMatch(/ {2}and 10 more$/);
  });
});

/** Nine levels of nine aliases: a few hundred bytes that unfold into 387 million items. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const items = Array.from({ length: 9 }, () => (level === 0 ? "x" : `*l${level - 1}`));
    return `l${level}: &l${level} [${items.join()}]`;
  });
  return `${levels.join("\n")}\nendpoints: *l8\n`;
}

/** At once: the fake clock lets looks follow each other faster than a write in place takes. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

describe("a watched endpoints file", () => {
  /** Polls too seldom to matter: what is seen is seen by an event. */
  const byEvents = { scheduler: systemClock, debounceMs: 5, pollMs: 3_600_000 };

  it("is read again after an atomic rename, and after each further one", async () => {
    const { discovery, published } = await startAt(listOf("10.0.0.1:80"), byEvents);
    for (const address of ["10.0.0.2:80", "10.0.0.3:80"]) {
      await replace(path, listOf(address));
      await vi.waitFor(() => expect(published.at(-1)).toBe(address));
    }
    await discovery.close();
  });

  it("is read again after it was written in place", async () => {
    const { discovery, published } = await startAt(listOf("10.0.0.1:80"), byEvents);
    await writeFile(path, listOf("10.0.0.2:80"));
    await vi.waitFor(() => expect(published).toEqual(["10.0.0.1:80", "10.0.0.2:80"]));
    await discovery.close();
  });

  it("is read again after the symlink swap of a Kubernetes ConfigMap", async () => {
    const mountAs = async (version: string, address: string): Promise<void> => {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, "endpoints.yaml"), listOf(address));
      await symlink(version, join(folder, "..data_tmp"));
      await rename(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    await mountAs("..v1", "10.0.0.1:80");
    await symlink(join("..data", "endpoints.yaml"), path);
    const published: string[] = [];
    const discovery = new FileDiscovery({ path, rejected: () => undefined, ...byEvents });
    await discovery.start((list) => published.push(list.map(({ id }) => id).join()));
    await mountAs("..v2", "10.0.0.2:80");
    await vi.waitFor(() => expect(published).toEqual(["10.0.0.1:80", "10.0.0.2:80"]));
    await discovery.close();
  });
});

describe("an endpoints file that no event tells of", () => {
  /** Behind a symlink into another folder, so that the test decides when it is looked at. */
  async function startPolled() {
    const clock = new FakeClock();
    const target = join(await mkdtemp(join(folder, "elsewhere-")), "list.yaml");
    await writeFile(target, listOf("10.0.0.1:80"));
    await symlink(target, path);
    const rejections: string[] = [];
    const published: string[] = [];
    const discovery = new FileDiscovery({
      path,
      scheduler: clock,
      rejected: ({ message }) =>
        rejections.push(/foo|bar|no such file/.exec(message)?.[0] ?? message),
      pollMs: 1_000,
    });
    await discovery.start((list) => published.push(list.map(({ id }) => id).join()));
    /** Lets time pass until the claim is true. */
    const pollUntil = (claim: () => void): Promise<void> =>
      vi.waitFor(
        async () => {
          await clock.advance(1_000);
          claim();
        },
        { interval: 1 },
      );
    /** Time for several looks, and for their reads to end. */
    const pollOften = async (): Promise<void> => {
      for (let round = 0; round < 30; round++) {
        await clock.advance(500);
        await stat(folder);
      }
    };
    return { clock, target, discovery, published, rejections, pollUntil, pollOften };
  }

  it("is found by the slow poll", async () => {
    const { target, discovery, published, pollUntil } = await startPolled();
    await writeFile(target, listOf("10.0.0.2:80"));
    await pollUntil(() => expect(published).toEqual(["10.0.0.1:80", "10.0.0.2:80"]));
    await discovery.close();
  });

  it("is not published again while it says the same", async () => {
    const { discovery, published, pollOften } = await startPolled();
    await pollOften();
    expect(published).toEqual(["10.0.0.1:80"]);
    await discovery.close();
  });

  it("keeps the last good list when it is bad, and says why once per distinct content", async () => {
    const { target, discovery, published, rejections, pollUntil, pollOften } = await startPolled();
    await replace(target, "endpoints: [foo:80]");
    await pollUntil(() => expect(rejections).toEqual(["foo"]));
    await pollOften();
    expect(rejections).toEqual(["foo"]);
    await replace(target, "endpoints: [bar:80]");
    await pollUntil(() => expect(rejections).toEqual(["foo", "bar"]));
    await rm(target);
    await pollUntil(() => expect(rejections).toEqual(["foo", "bar", "no such file"]));
    expect(published).toEqual(["10.0.0.1:80"]);
    await replace(target, listOf("10.0.0.2:80"));
    await pollUntil(() => expect(published).toEqual(["10.0.0.1:80", "10.0.0.2:80"]));
    expect(rejections).toEqual(["foo", "bar", "no such file"]);
    await discovery.close();
  });

  it("is taken when two looks agree, so that half a file is never a list", async () => {
    const { clock, target, discovery, published } = await startPolled();
    const looked = (): Promise<void> => vi.waitFor(() => expect(clock.pendingTimers).toBe(2));
    await writeFile(target, "endpoints:\n- 10.0.0.1:80\n");
    await clock.advance(1_000);
    await clock.advance(100);
    await looked();
    await writeFile(target, "endpoints:\n- 10.0.0.1:80\n- 10.0.0.2:80\n");
    await clock.advance(100);
    await looked();
    expect(published).toEqual(["10.0.0.1:80"]);
    await clock.advance(100);
    await vi.waitFor(() => expect(published).toEqual(["10.0.0.1:80", "10.0.0.1:80,10.0.0.2:80"]));
    await discovery.close();
  });

  it("leaves no timer once it is closed", async () => {
    const { clock, discovery } = await startPolled();
    await clock.advance(1_000);
    expect(clock.pendingTimers).toBe(2);
    await discovery.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("a reload of an endpoints file", () => {
  it("takes the file as it is, at once", async () => {
    const { discovery, published } = await startAt(listOf("10.0.0.1:80"));
    await writeFile(path, listOf("10.0.0.2:80"));
    await discovery.reload();
    expect(published).toEqual(["10.0.0.1:80", "10.0.0.2:80"]);
    await discovery.close();
  });

  it("says each time why a bad file cannot be used, and keeps the last good list", async () => {
    const { discovery, published, rejections } = await startAt(listOf("10.0.0.1:80"));
    await writeFile(path, "endpoints: 7");
    await discovery.reload();
    await discovery.reload();
    expect(rejections.map(({ code }) => code)).toEqual(["endpoints_invalid", "endpoints_invalid"]);
    expect(published).toEqual(["10.0.0.1:80"]);
    await discovery.close();
  });
});
