/** What is stored: of a session, and by id. The bytes themselves are in `bytes/`. */
import type { Segment, SegmentId } from "../kv/records.ts";
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { noSuch } from "./refusals.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { segmentListSchema, segmentPath, segmentSchema } from "./schemas/segment.ts";
import { viewSegment } from "./segment-view.ts";
import { keyOf, sessionAt } from "./session-view.ts";

export function addSegments(api: Api, ports: KvApiPorts): void {
  api.get(
    "/v1/sessions/:id/segments",
    {
      schema: {
        operationId: "listSessionSegments",
        summary: "What the session lists, by token start",
        tags: ["sessions"],
        params: sessionPath,
        response: { 200: segmentListSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const session = keyOf(request);
      await sessionAt(session, ports);
      const segments = await ports.catalog.segments(session);
      return { segments: segments.map((each) => viewSegment(each, session.tenant, ports)) };
    },
  );

  api.get(
    "/v1/segments/:id",
    {
      schema: {
        operationId: "getSegment",
        summary: "A segment that the tenant may list, or one of a turn of its own",
        tags: ["segments"],
        params: segmentPath,
        response: { 200: segmentSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const tenant = tenantOf(request);
      const segment = await segmentFor(tenant, request.params.id as SegmentId, ports);
      if (segment === undefined) throw noSuch("segment");
      return viewSegment(segment, tenant, ports);
    },
  );
}

async function segmentFor(
  tenant: string,
  id: SegmentId,
  { catalog, reader, nowMs }: KvApiPorts,
): Promise<Segment | undefined> {
  const segment = await catalog.segment(id);
  if (segment === undefined) return undefined;
  if (segment.state === "durable") return catalog.visibleSegment(reader(tenant), id, nowMs());
  return segment.tenant === tenant ? segment : undefined;
}
