/** A configuration with a `kv` section, as text: paths are relative, and nothing is there. */

export const PROFILE =
  "kind: mha, id: m, revision: r, layers: 36, kvHeads: 8, headDim: 128, dtype: bf16";

export interface KvSections {
  /** Keys of the model profile, after those of `PROFILE`. */
  readonly profile?: string;
  /** Keys of `pools[].kv` beside the profile. */
  readonly turns?: string;
  readonly catalog?: string;
  /** Items. */
  readonly locations?: string;
  /** More keys of `kv`, a line each. */
  readonly kv?: string;
  /** More keys of the configuration, a line each. */
  readonly top?: string;
}

export function kvText({
  profile = "",
  turns = "",
  catalog,
  locations,
  kv = "",
  top = "",
}: KvSections): string {
  return `
pools: [{ name: default, endpoints: [], kv: { profile: { ${PROFILE}${profile && `, ${profile}`} }${turns && `, ${turns}`} } }]
kv:
  catalog: { path: ${catalog ?? "catalog"} }
  locations: [${locations ?? location("a")}]
${indented(kv)}
${top}`;
}

/** One item of `kv.locations`, with a URI prefix of its own. */
export function location(id: string, keys = `root: ${id}`): string {
  return `{ id: ${id}, uriPrefix: "file:///${id}/", capacityBytes: 1073741824, ${keys} }`;
}

function indented(lines: string): string {
  return lines.replaceAll(/^/gm, "  ");
}
