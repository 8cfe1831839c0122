/**
 * What a rule of a catalog rejects with when the store refuses its commit, as one on a full disk does: nothing of the rule was
 * written, and the next one may be. Whatever else a rule rejects with is a bug.
 */
export class CatalogFault extends Error {
  override readonly name = "CatalogFault";
}
