/**
 * What is done to thousands of segments, in steps that are a rule each: in one it would hold the event loop for half a second, and
 * a limit would refuse whoever gains most.
 */
import type { Scheduler } from "../../clock.ts";
import type { Catalog } from "../catalog.ts";
import type {
  AttachOutcome,
  AttachRequest,
  CreatePrefixOutcome,
  CreatePrefixRequest,
  PrefixPosition,
} from "../holders.ts";
import type { Segment, SegmentId, Session, SessionKey } from "../records.ts";
import { rest } from "./unhurried.ts";

/** Some milliseconds' worth of event loop. */
export const AT_ONCE = 64;

/** All or none, whoever looks: the prefix is there when the last step is done. */
export async function createPrefixStepwise(
  catalog: Pick<Catalog, "createPrefix" | "goOnPrefix">,
  request: Omit<CreatePrefixRequest, "limit">,
): Promise<Exclude<CreatePrefixOutcome, { kind: "begun" }>> {
  const step = { ...request, limit: AT_ONCE };
  let outcome = await catalog.createPrefix(step);
  while (outcome.kind === "begun") {
    const after: PrefixPosition = outcome.rest;
    outcome = await catalog.goOnPrefix({ ...step, after });
  }
  return outcome;
}

/**
 * A step that is refused takes back what the ones before it added, and one that met another session under the same id what it added
 * itself. A process that ends in between leaves the first ones attached, and nobody was told that they are.
 */
export async function attachStepwise(
  catalog: Pick<Catalog, "attach" | "detach">,
  request: AttachRequest,
): Promise<AttachOutcome> {
  const { session, listed } = request;
  const added: SegmentId[] = [];
  let first: Session | undefined;
  for (let from = 0; ; from += AT_ONCE) {
    const outcome = await catalog.attach({
      ...request,
      listed: listed.slice(from, from + AT_ONCE),
    });
    if (outcome.kind === "refused") {
      await detachStepwise(catalog, session, added);
      return outcome;
    }
    first ??= outcome.session;
    if (!isSameSession(first, outcome.session)) {
      await detachStepwise(catalog, session, outcome.added);
      return { kind: "refused", reason: "no_session" };
    }
    added.push(...outcome.added);
    if (from + AT_ONCE >= listed.length) return { ...outcome, added };
  }
}

function isSameSession(one: Session, other: Session): boolean {
  return one.life === other.life && one.createdAtMs === other.createdAtMs;
}

async function detachStepwise(
  catalog: Pick<Catalog, "detach">,
  session: SessionKey,
  added: readonly SegmentId[],
): Promise<void> {
  for (let from = 0; from < added.length; from += AT_ONCE) {
    await catalog.detach({ session, segments: added.slice(from, from + AT_ONCE) });
  }
}

/** As of the catalog's `visibleSegments`, which steps may see at several moments. */
export async function visibleStepwise(
  look: (ids: readonly SegmentId[]) => Promise<readonly Segment[] | undefined>,
  ids: readonly SegmentId[],
  scheduler: Scheduler,
): Promise<readonly Segment[] | undefined> {
  const found: Segment[] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    if (from > 0) await rest(scheduler);
    const some = await look(ids.slice(from, from + AT_ONCE));
    if (some === undefined) return undefined;
    found.push(...some);
  }
  return found;
}
