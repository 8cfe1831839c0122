/**
 * Which stored segments an engine can be given for a prompt. The index has every durable segment at the place where it ends; what is
 * found at an end that is also one of the prompt's agrees with it in every token from 0. The best contiguous cover among those is
 * the match. A digest that a client gave in place of tokens may be that of another position, so what is found elsewhere than where it
 * ends is passed over.
 */
import type { Match, MatchLimit, MatchRequest, PromptView } from "../../catalog.ts";
import { type Cover, type CoverRules, pickCover, whyUnlistable } from "../../cover.ts";
import { isAtAny } from "../../copies.ts";
import { type Segment, sessionHolder } from "../../records.ts";
import { numberKey, parseReference, referencesPrefix } from "../keys.ts";
import { segmentAt, sessions } from "../tables.ts";
import type { CatalogView } from "../transaction.ts";
import { endsOn, type FoundEnd } from "./ends-on.ts";

export function match(view: CatalogView, request: MatchRequest): Match {
  const { prompt, rules: loadRules, locations } = request;
  const rules = { ...loadRules, promptTokens: prompt.tokens };
  const found = new Map(
    prompt.namespaces
      .flatMap((namespace) => [...endsOn(view, prompt, namespace)])
      .filter((end) => isAtItsEnd(end, prompt))
      .map(({ segment }) => [segment.id, segment]),
  );
  const candidates = [...found.values()];
  const isThere = (segment: Segment) => isAtAny(segment, locations);
  const cover = pickCover(candidates.filter(isThere), rules);
  const limit =
    limitOf(candidates, cover, { ...rules, isThere }) ??
    (hasMore(view, request, { cover, found }) ? "diverged" : undefined) ??
    (candidates.length === 0 ? "nothing_stored" : "end_of_stored");
  return { segments: cover.segments, tokens: cover.tokens, limit };
}

function isAtItsEnd({ segment, at }: FoundEnd, { isEnd }: PromptView): boolean {
  return isEnd === undefined ? endOf(segment) === at : isEnd(at);
}

/** Why what is on this prompt is not all in the cover. The furthest that is left out says it. */
function limitOf(
  candidates: readonly Segment[],
  cover: Cover<Segment>,
  rules: CoverRules & { readonly isThere: (segment: Segment) => boolean },
): MatchLimit | undefined {
  if (cover.belowThresholdTokens > 0) return "below_threshold";
  const beyond = candidates.filter((segment) => endOf(segment) > cover.tokens);
  const furthest = beyond.toSorted((a, b) => endOf(b) - endOf(a))[0];
  if (furthest === undefined) return undefined;
  return whyUnlistable(furthest, rules) ?? (rules.isThere(furthest) ? "gap" : "location_unknown");
}

interface Found {
  readonly cover: Cover<Segment>;
  readonly found: ReadonlyMap<Segment["id"], Segment>;
}

/** Whether the session lists something, from the end of the cover on, that is not on this prompt. A snapshot joins no cover. */
function hasMore(view: CatalogView, request: MatchRequest, { cover, found }: Found): boolean {
  const session = sessions.get(view, request.session);
  if (session === undefined) return false;
  const prefix = referencesPrefix(sessionHolder(session));
  let from = prefix + numberKey(cover.tokens);
  const to = prefix + numberKey(Number.MAX_SAFE_INTEGER);
  const limit = found.size + 1;
  for (;;) {
    const page = view.range({ from, to, limit });
    const others = page
      .map(({ key }) => parseReference(prefix, key))
      .filter((id) => !found.has(id));
    const known = others.flatMap((id) => segmentAt(view, id) ?? []);
    if (known.some(({ snapshot }) => snapshot === undefined)) return true;
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return false;
    from = `${last.key}\0`;
  }
}

function endOf({ tokenStart, tokenLength }: Segment): number {
  return tokenStart + tokenLength;
}
