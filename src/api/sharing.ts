/** Sessions that list what another stored: forks, and attached segments. */
import { Problem } from "../http/problem.ts";
import type { SegmentId } from "../kv/records.ts";
import type { Api } from "./api.ts";
import type { KvApiPorts } from "./ports.ts";
import { invalidField, noSuch, quotaExceeded, segmentsLimit } from "./refusals.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { attachBody, forkBody, sessionSchema } from "./schemas/session.ts";
import { keyOf, viewSession } from "./session-view.ts";

const tags = ["sessions"];

export function addSharing(api: Api, { sessions, newSessionId }: KvApiPorts): void {
  api.post(
    "/v1/sessions/:id/fork",
    {
      schema: {
        operationId: "forkSession",
        summary: "Makes a session that lists what is durable of this one now",
        tags,
        params: sessionPath,
        body: forkBody,
        response: { 201: sessionSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const id = request.body?.id ?? newSessionId();
      const outcome = await sessions.fork(keyOf(request), id);
      if (outcome.kind === "created") return reply.code(201).send(viewSession(outcome.session));
      switch (outcome.reason) {
        case "unknown_tenant":
        case "no_session":
          throw noSuch("session");
        case "exists":
          throw new Problem("session_exists", "the id of the fork is a session's already");
        case "quota_sessions":
          throw quotaExceeded("sessions");
      }
    },
  );

  api.post(
    "/v1/sessions/:id/attach",
    {
      schema: {
        operationId: "attachSegments",
        summary: "Lists named segments too: of the tenant, or in a prefix that is open to it",
        tags,
        params: sessionPath,
        body: attachBody,
        response: { 200: sessionSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const ids = request.body.segments as SegmentId[];
      const outcome = await sessions.attach(keyOf(request), ids);
      if (outcome.kind === "attached") return viewSession(outcome.session);
      switch (outcome.reason) {
        case "unknown_tenant":
        case "no_session":
          throw noSuch("session");
        case "no_segment":
          throw noSuch("segment");
        case "other_model":
        case "unknown_model":
          throw invalidField({
            field: "segments",
            limit: "all of the session's model as it is now",
          });
        case "segments_limit":
          throw segmentsLimit("the session");
      }
    },
  );
}
