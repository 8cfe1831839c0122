/** The halves of the program. One process runs one of them or both, from one configuration. */
export const ROLES = ["routing", "kv"] as const;
export type Role = (typeof ROLES)[number];

/** At least one, each once, in the order of `ROLES`. */
export type Roles = readonly Role[];

/** Of a list such as `routing,kv`; undefined unless every part of it is a role. */
export function parseRoles(list: string): Roles | undefined {
  const names = list.split(",").map((name) => name.trim());
  const areKnown = names.every((name) => (ROLES as readonly string[]).includes(name));
  return areKnown ? ROLES.filter((role) => names.includes(role)) : undefined;
}
