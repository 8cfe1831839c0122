/**
 * Whether a data file may be mapped. LMDB trusts what it maps: where a file ends before a page that is in use, the first touch of
 * that page ends the process with a signal, and nothing is said. So what can be known cheaply is looked at before.
 *
 * The file, as lmdb-js 3 writes it, in little-endian order: pages of one size, each with a header of 24 bytes; two of them are
 * metas, of which the one of the later transaction counts; it names the last page and the roots of two trees, of free pages and of
 * entries. A sound file may end before its last page, since what one transaction allocates and frees is never written. Then, and
 * only then, the trees are walked, to see that all that is in use is there.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

import { AppError } from "../../errors.ts";

const HEADER_BYTES = 24;
const META_BYTES = HEADER_BYTES + 144;
const MAGIC = 0xbeefc0de;
const FORMAT = 2;
const IS_BRANCH = 0x01;
const IS_LEAF = 0x02;
const IS_META = 0x08;
/** Of a node: its value lies on pages of its own. */
const IS_BIG = 0x01;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;

/** Throws `catalog_invalid`. One that is missing or empty is sound: it is to be made. */
export function assertMappable(path: string): void {
  let problem: string | undefined;
  try {
    problem = problemAt(path);
  } catch (reason) {
    throw unusable(path, `cannot be read: ${AppError.from(reason).message}`, reason);
  }
  if (problem !== undefined) throw unusable(path, problem);
}

export function unusable(path: string, problem: string, cause?: unknown): AppError {
  const cure = "restore it from a copy, or move it away to begin with an empty catalog";
  return new AppError("catalog_invalid", `catalog ${path} ${problem}; ${cure}`, { cause });
}

function problemAt(path: string): string | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const file: DataFile = { fd, sizeBytes: fstatSync(fd).size };
    return file.sizeBytes === 0 ? undefined : problemOf(file);
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && reason.code === "ENOENT") return undefined;
    throw reason;
  }
}

interface DataFile {
  readonly fd: number;
  readonly sizeBytes: number;
}

interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: bigint;
  readonly trees: readonly Tree[];
}

interface Tree {
  /** Undefined: it is empty. */
  readonly root: number | undefined;
  /** Levels, with that of the leaves. */
  readonly depth: number;
  readonly hasBigValues: boolean;
}

function problemOf(file: DataFile): string | undefined {
  const first = readMeta(file, 0);
  if (typeof first === "string") return first;
  const second = readMeta(file, first.pageBytes);
  if (typeof second === "string") return second;
  const latest = first.transaction >= second.transaction ? first : second;
  if ((latest.lastPage + 1) * latest.pageBytes <= file.sizeBytes) return undefined;
  const walk: Walk = { file, meta: latest, pagesLeft: latest.lastPage + 1 };
  for (const { root, depth, hasBigValues } of latest.trees) {
    const problem = root === undefined ? undefined : walkPage(walk, root, { depth, hasBigValues });
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A text is what is wrong with it. */
function readMeta(file: DataFile, at: number): Meta | string {
  const page = read(file, at, META_BYTES);
  if (page === undefined) return `ends at byte ${file.sizeBytes}, before its metadata`;
  const isOne = (page.readUInt16LE(18) & IS_META) !== 0 && page.readUInt32LE(24) === MAGIC;
  if (!isOne) return `has no LMDB metadata at byte ${at}`;
  const format = page.readUInt32LE(28) & 0xffff;
  if (format !== FORMAT) return `has LMDB format ${format}, and this program reads ${FORMAT}`;
  const pageBytes = page.readUInt32LE(48);
  const isPageSize =
    pageBytes >= 512 && pageBytes <= 65536 && Number.isInteger(Math.log2(pageBytes));
  if (!isPageSize) return `has pages of ${pageBytes} bytes, which LMDB does not make`;
  return {
    pageBytes,
    trees: [readTree(page, 48), readTree(page, 96)],
    lastPage: Number(page.readBigUInt64LE(144)),
    transaction: page.readBigUInt64LE(152),
  };
}

function readTree(page: Buffer, at: number): Tree {
  const root = page.readBigUInt64LE(at + 40);
  return {
    root: root === NO_ROOT ? undefined : Number(root),
    depth: page.readUInt16LE(at + 6),
    hasBigValues: page.readBigUInt64LE(at + 24) > 0n,
  };
}

interface Walk {
  readonly file: DataFile;
  readonly meta: Meta;
  /** A page is in use once, so that more of them than there are is a circle. */
  pagesLeft: number;
}

type Level = Pick<Tree, "depth" | "hasBigValues">;

/** What is wrong with the page or one below it. Leaves are read only where they may name pages. */
function walkPage(walk: Walk, number: number, level: Level): string | undefined {
  const { file, meta } = walk;
  if (walk.pagesLeft-- <= 0) return "uses a page twice";
  const at = number * meta.pageBytes;
  const isThere = number <= meta.lastPage && at + meta.pageBytes <= file.sizeBytes;
  if (!isThere) return `ends at byte ${file.sizeBytes}, before its page ${number} at byte ${at}`;
  if (level.depth <= 1 && !level.hasBigValues) return undefined;
  const page = read(file, at, meta.pageBytes);
  const kind = level.depth > 1 ? IS_BRANCH : IS_LEAF;
  const isSound =
    page !== undefined &&
    page.readBigUInt64LE(0) === BigInt(number) &&
    (page.readUInt16LE(18) & kind) !== 0;
  if (!isSound) return `has something else in the place of its page ${number}`;
  for (const node of nodesOf(page)) {
    const problem =
      kind === IS_BRANCH
        ? walkPage(walk, childOf(node), { ...level, depth: level.depth - 1 })
        : problemOfBigValue(walk, node);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** From its header on. Pointers to them follow the page's own header, and count from its end. */
function nodesOf(page: Buffer): Buffer[] {
  const count = Math.min(page.readUInt16LE(20), page.length - HEADER_BYTES) >>> 1;
  const starts = Array.from({ length: count }, (_, n) => page.readUInt16LE(HEADER_BYTES + 2 * n));
  return starts.map((start) => page.subarray(HEADER_BYTES + start));
}

function childOf(node: Buffer): number {
  return node.readUInt32LE(0) + node.readUInt16LE(4) * 2 ** 32;
}

function problemOfBigValue({ file, meta }: Walk, node: Buffer): string | undefined {
  if ((node.readUInt16LE(4) & IS_BIG) === 0) return undefined;
  const value = 8 + node.readUInt16LE(6);
  const first = Number(node.readBigUInt64LE(value));
  const end = (first + Number(node.readBigUInt64LE(value + 16))) * meta.pageBytes;
  if (end <= file.sizeBytes) return undefined;
  return `ends at byte ${file.sizeBytes}, before the end of its page ${first} at byte ${end}`;
}

/** Undefined where the file ends before. */
function read({ fd }: DataFile, at: number, bytes: number): Buffer | undefined {
  const page = Buffer.alloc(bytes);
  return readSync(fd, page, 0, bytes, at) === bytes ? page : undefined;
}
