/** Sessions: made, listed, looked at, changed and ended. */
import * as z from "zod";

import type { SessionKey } from "../kv/records.ts";
import type { Api } from "./api.ts";
import { cursorAfter, pageOf } from "./cursor.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { invalidField, noSuch, quotaExceeded } from "./refusals.ts";
import { retentionOf } from "./retention.ts";
import { sessionPath } from "./schemas/fields.ts";
import { problemAnswers } from "./schemas/problem.ts";
import {
  createSessionBody,
  patchSessionBody,
  sessionListQuery,
  sessionListSchema,
  sessionSchema,
} from "./schemas/session.ts";
import { isLive, keyOf, sessionAt, viewSession } from "./session-view.ts";

const tags = ["sessions"];

export function addSessions(api: Api, ports: KvApiPorts): void {
  addCreate(api, ports);
  addList(api, ports);
  addPatch(api, ports);

  api.get(
    "/v1/sessions/:id",
    {
      schema: {
        operationId: "getSession",
        summary: "The session as it is; asking is no use of it",
        tags,
        params: sessionPath,
        response: { 200: sessionSchema, ...problemAnswers },
      },
    },
    async (request) => viewSession(await sessionAt(keyOf(request), ports)),
  );

  api.delete(
    "/v1/sessions/:id",
    {
      schema: {
        operationId: "endSession",
        summary: "Ends the session: its references go at once, bytes with the last reference",
        tags,
        params: sessionPath,
        response: { 204: z.undefined().describe("It is ended"), ...problemAnswers },
      },
    },
    async (request, reply) => {
      if (!(await ports.turns.end(keyOf(request)))) throw noSuch("session");
      return reply.code(204).send();
    },
  );
}

function addCreate(api: Api, ports: KvApiPorts): void {
  const { sessions, retention, newSessionId } = ports;
  api.post(
    "/v1/sessions",
    {
      schema: {
        operationId: "createSession",
        summary: "Makes a session; one that is there is answered as it is",
        tags,
        body: createSessionBody,
        response: { 200: sessionSchema, 201: sessionSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id = newSessionId(), model } = request.body;
      const session = { tenant: tenantOf(request), id };
      const otherwise = retention.defaultOf(session.tenant);
      const outcome = await sessions.create({
        session,
        model,
        retention: retentionOf(request.body, otherwise, ports),
      });
      if (outcome.kind !== "refused") {
        return reply
          .code(outcome.kind === "created" ? 201 : 200)
          .send(viewSession(outcome.session));
      }
      switch (outcome.reason) {
        case "unknown_tenant":
          throw noSuch("tenant");
        case "unknown_model":
          throw invalidField({ field: "model", value: model, limit: "a model with a KV profile" });
        case "quota_sessions":
          throw quotaExceeded("sessions");
      }
    },
  );
}

function addList(api: Api, { catalog, nowMs }: KvApiPorts): void {
  api.get(
    "/v1/sessions",
    {
      schema: {
        operationId: "listSessions",
        summary: "The tenant's sessions by id, in pages",
        description:
          "A page may have fewer sessions than its limit, and the last one has no cursor.",
        tags,
        querystring: sessionListQuery,
        response: { 200: sessionListSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const found = await catalog.sessions({ tenant: tenantOf(request), ...page });
      const last = found.length < page.limit ? undefined : found.at(-1);
      const now = nowMs();
      return {
        sessions: found.filter((session) => isLive(session, now)).map(viewSession),
        next_cursor: last === undefined ? null : cursorAfter(last.id),
      };
    },
  );
}

function addPatch(api: Api, ports: KvApiPorts): void {
  api.patch(
    "/v1/sessions/:id",
    {
      schema: {
        operationId: "patchSession",
        summary: "Changes how long the session stays",
        description:
          "The class and the TTL first, which count as a use, then the pin: where that is refused, the class is changed already.",
        tags,
        params: sessionPath,
        body: patchSessionBody,
        response: { 200: sessionSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const session = await sessionAt(keyOf(request), ports);
      const { pinned_until_ms: untilMs, ...wish } = request.body;
      const retention = retentionOf(wish, session.retention, ports);
      if (untilMs !== undefined && untilMs !== null) {
        const longestMs = ports.nowMs() + retention.pinLimitMs;
        if (untilMs > longestMs) throw pinnedTooLong(untilMs, longestMs);
      }
      if (wish.retention_class !== undefined || wish.ttl_ms !== undefined) {
        const { ttlMs } = retention;
        const amended = { session, retention, ttlMs, nowMs: ports.nowMs() };
        if ((await ports.catalog.amend(amended)) === undefined) throw noSuch("session");
      }
      if (untilMs !== undefined) await pin(session, untilMs ?? 0, ports);
      return viewSession(await sessionAt(session, ports));
    },
  );
}

async function pin(session: SessionKey, untilMs: number, { sessions }: KvApiPorts): Promise<void> {
  const outcome = await sessions.pin(session, untilMs);
  switch (outcome) {
    case "pinned":
    case "unpinned":
      return;
    case "no_session":
    case "unknown_tenant":
      throw noSuch("session");
    case "quota_pins":
      throw quotaExceeded("pins");
    case "pin_limit":
      throw pinnedTooLong(untilMs, undefined);
  }
}

function pinnedTooLong(untilMs: number, longestMs: number | undefined) {
  const limit =
    longestMs === undefined
      ? "within the pin limit of the retention class"
      : `at most ${longestMs}, the pin limit of the retention class from now on`;
  return invalidField({ field: "pinned_until_ms", value: String(untilMs), limit });
}
