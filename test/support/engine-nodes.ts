/** Engines on nodes: each node has a disk that no other sees, and all have one in common. */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { MoorlineSettings } from "../../demo/stack/moorline.ts";

/** Nodes of engines, by the engines' names. */
export type EngineNodes = Readonly<Record<string, string>>;

export interface Nodes {
  /** Where an engine of the node finds all that it sees. */
  root(node: string): string;
  /** One for each node, asked for room first, and one for all. */
  readonly locations: readonly MoorlineSettings[];
}

const SHARED = "shared";

export async function makeNodes(folder: string, engines: EngineNodes): Promise<Nodes> {
  const root = (node: string) => join(folder, `node-${node}`);
  const shared = join(folder, SHARED);
  await mkdir(shared);
  const names = [...new Set(Object.values(engines))];
  for (const node of names) {
    await mkdir(join(root(node), node), { recursive: true });
    await symlink(shared, join(root(node), SHARED));
  }
  const place = { capacityBytes: 2 ** 30, freeFloorBytes: 0 };
  const own = names.map((node) => ({
    ...place,
    id: node,
    root: join(root(node), node),
    uriPrefix: `file:///${node}/`,
    tier: "memory",
    labels: { node },
  }));
  const common = { ...place, id: SHARED, root: shared, uriPrefix: `file:///${SHARED}/` };
  return { root, locations: [...own, common] };
}
