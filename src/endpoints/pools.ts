/**
 * The pools of this process, by name and by model.
 */
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import { AppError } from "../errors.ts";
import type { EndpointId, EndpointSpec } from "./endpoint.ts";
import type { LastCheck } from "./member.ts";
import { Pool, type PoolSettings } from "./pool.ts";

/** Read side, for the data path. Never waits, never throws. */
export interface PoolDirectory {
  /** More than one pool: then a request needs a model, and the reply names the pool for Envoy's route. */
  readonly hasSeveral: boolean;
  /** The pool of a model: the one that lists it, else the default pool (the one with no models), else undefined. */
  forModel(model: string | undefined): PoolSnapshot | undefined;
  get(name: string): PoolSnapshot | undefined;
  all(): readonly PoolSnapshot[];
}

/** What the data path saw of an endpoint, for passive health. Never waits, never throws. */
export interface PassiveSigns {
  /** Envoy could not connect: counts like a failed active check. */
  connectFailed(pool: string, endpoint: EndpointId): void;
  /** The endpoint answered 5xx: brings its next active check forward, and no more. */
  serverError(pool: string, endpoint: EndpointId): void;
}

/** What is seen of the process behind an endpoint by who has a connection to it. Never waits, never throws. */
export interface ProcessSigns {
  /** It has ended, as far as can be seen: the endpoint is checked at once, and that check decides alone. */
  processEnded(pool: string, endpoint: EndpointId): void;
}

/** Names are unique, no model is listed twice, and at most one pool lists none: the configuration has made sure. */
export interface PoolDefinition {
  readonly name: string;
  /** Empty: the default pool, which serves every model that no other pool lists. */
  readonly models: readonly string[];
}

export class Pools implements PoolDirectory, PassiveSigns, ProcessSigns {
  readonly #byName: ReadonlyMap<string, Pool>;
  readonly #byModel: ReadonlyMap<string, Pool>;
  readonly #defaultPool: Pool | undefined;

  constructor(definitions: readonly PoolDefinition[], settings: PoolSettings) {
    const pools = definitions.map(({ name, models }) => ({
      pool: new Pool(name, settings),
      models,
    }));
    this.#byName = new Map(pools.map(({ pool }) => [pool.name, pool]));
    this.#byModel = new Map(
      pools.flatMap(({ pool, models }) => models.map((model) => [model, pool] as const)),
    );
    this.#defaultPool = pools.find(({ models }) => models.length === 0)?.pool;
  }

  get hasSeveral(): boolean {
    return this.#byName.size > 1;
  }

  forModel(model: string | undefined): PoolSnapshot | undefined {
    const pool = model === undefined ? undefined : this.#byModel.get(model);
    return (pool ?? this.#defaultPool)?.snapshot;
  }

  get(name: string): PoolSnapshot | undefined {
    return this.#byName.get(name)?.snapshot;
  }

  all(): readonly PoolSnapshot[] {
    return [...this.#byName.values()].map((pool) => pool.snapshot);
  }

  connectFailed(pool: string, endpoint: EndpointId): void {
    this.#byName.get(pool)?.connectFailed(endpoint);
  }

  serverError(pool: string, endpoint: EndpointId): void {
    this.#byName.get(pool)?.serverError(endpoint);
  }

  processEnded(pool: string, endpoint: EndpointId): void {
    this.#byName.get(pool)?.processEnded(endpoint);
  }

  /** The newest active check of an endpoint. */
  lastCheck(pool: string, endpoint: EndpointId): LastCheck | undefined {
    return this.#byName.get(pool)?.lastCheck(endpoint);
  }

  /** The pool's whole list, as its discovery publishes it. */
  setMembers(name: string, endpoints: readonly EndpointSpec[]): void {
    const pool = this.#byName.get(name);
    if (pool === undefined) throw new AppError("internal", `there is no pool ${name}`);
    pool.setMembers(endpoints);
  }

  /** Every pool has had its first list, ranked it and checked each of its endpoints once. Never goes back to false. */
  get isReady(): boolean {
    return [...this.#byName.values()].every((pool) => pool.isReady);
  }

  /** Resolves when `isReady` becomes true; never if closed before. */
  async ready(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((pool) => pool.ready()));
  }

  /** Resolves when every ring is that of its pool's newest list. */
  async ranked(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((pool) => pool.ranked()));
  }

  /** Ends every check and timer; the last snapshots stay readable. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((pool) => pool.close()));
  }
}
