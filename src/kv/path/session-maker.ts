/** Sessions of the request path, made at their first turn. */
import { CatalogFault } from "../catalog-fault.ts";
import type { Retention, SessionKey } from "../records.ts";
import type { SessionDesk } from "../turns/session-desk.ts";
import type { PassReason, PathObserver } from "./path-observer.ts";
import type { TurnRequest } from "./turn-path.ts";

export interface SessionMakerOptions {
  /** Of sessions that are made here. */
  readonly model: { readonly name: string };
  readonly retention: RetentionClasses;
  readonly sessions: Pick<SessionDesk, "create">;
  readonly observer: Pick<PathObserver, "failed">;
}

/** Of the configuration. */
export interface RetentionClasses {
  lookup(name: string): Retention | undefined;
  defaultOf(tenant: string): Retention;
}

export class SessionMaker {
  readonly #options: SessionMakerOptions;

  constructor(options: SessionMakerOptions) {
    this.#options = options;
  }

  /** One that is there stays as it is. Why it could not be made; rejects for a bug only. */
  async create(
    session: SessionKey,
    { retentionClass: name }: Pick<TurnRequest, "retentionClass">,
  ): Promise<PassReason | undefined> {
    const { sessions, retention: classes, model, observer } = this.#options;
    const wished = name === undefined ? undefined : classes.lookup(name);
    const retention = wished ?? classes.defaultOf(session.tenant);
    try {
      const outcome = await sessions.create({ session, model: model.name, retention });
      return outcome.kind === "refused" ? outcome.reason : undefined;
    } catch (reason) {
      if (!(reason instanceof CatalogFault)) throw reason;
      observer.failed("create", reason);
      return "catalog_failed";
    }
  }
}
