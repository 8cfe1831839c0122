/**
 * The catalog against a model, over random runs of its rules, with crashes in between: equal answers, equal lists, exact refcounts
 * and usage, no byte range handed out twice, nothing listed before it is settled or after it is dropped, no file given up early.
 *
 * `CATALOG_OPERATIONS` sets how many operations are run, `CATALOG_SEED` which.
 */
import { randomInt } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import { type SegmentId, segmentId, type TurnId } from "../../../src/kv/records.ts";
import { CatalogModel, PRIORITIES, tenantOf } from "../../support/catalog-model.ts";
import { DURABLE, key, KvDesk, PLENTY, RETENTION, UNVERIFIED } from "../../support/kv-desk.ts";
import { CutSteps } from "./cut-steps.ts";
import { type Command, names, someCommand, times, type Verb } from "./random-commands.ts";
import { SharingSteps } from "./sharing-steps.ts";
import { SnapshotSteps } from "./snapshot-steps.ts";
import { SpaceSteps } from "./space-steps.ts";

const operations = Number(process.env["CATALOG_OPERATIONS"] ?? 20_000);
const seed = Number(process.env["CATALOG_SEED"] ?? randomInt(2 ** 31));
/** Of a run, on average. */
const runLength = 100;

/** How often each outcome was met, over all runs: a run that meets none of a kind shows nothing about it. */
const met = new Map<string, number>();

const usual = "report accepted,reserve busy,settle durable,abort true,end true,condemn true"
  .concat(",evict true,evict false,copy opened,move true,move false")
  .concat(",replicate true,replicate false,drop dropped,drop last")
  .concat(",cut durable,cut durable+durable,cut conflict,cut opened")
  .concat(",save opened,save no_session,keep kept,keep expired")
  .concat(",attach attached,attach no_segment,share created,unshare true,amend true")
  .split(",");

class Run {
  readonly #model = new CatalogModel();
  readonly #space = new SpaceSteps(this.#model);
  readonly #cuts = new CutSteps(this.#model);
  readonly #sharing = new SharingSteps(this.#model);
  readonly #snapshots = new SnapshotSteps(this.#model);
  #store = new MemoryStore();
  #desk: KvDesk;
  /** Every turn and segment that there ever was, so that late calls are made too. */
  readonly #turns: TurnId[] = [];
  readonly #texts = new Map<TurnId, string>();
  readonly #gone = new Set<string>();

  constructor(catalog: Catalog, store: MemoryStore) {
    this.#desk = new KvDesk(catalog);
    this.#store = store;
  }

  async do(command: Command): Promise<void> {
    await this.#act(command);
    await this.#compare(command);
  }

  /** Mostly one that awaits this, now and then any that there ever was. */
  #pickTurn({ verb, pick, few }: Command): TurnId {
    const open = [...this.#model.turns.values()].filter(
      ({ isReported }) => verb !== "report" || !isReported,
    );
    const ids = few === 4 || open.length === 0 ? this.#turns : open.map(({ id }) => id as TurnId);
    return ids[pick % Math.max(1, ids.length)] ?? ("none" as TurnId);
  }

  #pickSegment(command: Command): SegmentId {
    const { verb, pick, few } = command;
    const isMeant = (isDurable: boolean, text: string) =>
      verb === "settle" ? !isDurable && text !== "" : isDurable;
    const meant = [...this.#model.segments].filter(([, each]) =>
      isMeant(each.isDurable, each.text),
    );
    const id = meant[pick % Math.max(1, meant.length)]?.[0];
    return few === 4 || id === undefined
      ? segmentId(this.#pickTurn(command), pick % 2)
      : (id as SegmentId);
  }

  /** Both must say the same. */
  #same(verb: Verb, real: unknown, expected: unknown): void {
    expect({ verb, outcome: real }).toEqual({ verb, outcome: expected });
    const outcome = `${verb} ${String(real)}`;
    met.set(outcome, (met.get(outcome) ?? 0) + 1);
  }

  async #act(command: Command): Promise<void> {
    const { verb, name, other, pick, isSo } = command;
    const { catalog } = this.#desk;
    const model = this.#model;
    const { nowMs } = model;
    const turn = this.#pickTurn(command);
    const segment = this.#pickSegment(command);
    switch (verb) {
      case "create":
        return this.#same(verb, await this.#create(name), model.create(name));
      case "fork":
        return this.#fork(name, tenantOf(name) === tenantOf(other) ? other : name);
      case "use":
        return this.#same(verb, await this.#desk.use(name), model.use(name));
      case "pin": {
        const untilMs = isSo ? nowMs + (times[pick % times.length] ?? 0) : 0;
        const outcome = await catalog.pin({ session: key(name), nowMs, untilMs, quota: PLENTY });
        return this.#same(verb, outcome, model.pin(name, untilMs));
      }
      case "end":
        return this.#same(verb, await catalog.end(key(name), nowMs), model.end(name));
      case "reserve":
        return this.#reserve(command);
      case "lease":
        return this.#lease(name, segment, pick);
      case "report":
        return this.#report(turn, command.few);
      case "settle": {
        const { locations } = this.#desk;
        const verdict = isSo || pick % 4 > 0 ? DURABLE : UNVERIFIED;
        const outcome = await catalog.settle({ segment, nowMs, verdict, locations });
        return this.#same(verb, outcome.kind, model.settle(segment, verdict === DURABLE));
      }
      case "abort":
        return this.#same(verb, await catalog.abort({ turn, nowMs }), model.abort(turn));
      case "condemn":
        return this.#same(verb, ...(await this.#space.condemn(this.#desk, segment, command)));
      case "pass":
        model.nowMs += times[pick % times.length] ?? 0;
        this.#desk.nowMs = model.nowMs;
        return;
      case "attach":
        return this.#same(verb, ...(await this.#sharing.attach(this.#desk, name, segment)));
      case "amend":
        return this.#same(verb, ...(await this.#sharing.amend(this.#desk, command)));
      case "share":
        return this.#same(
          verb,
          ...(await this.#sharing.createPrefix(this.#desk, command, segment)),
        );
      case "unshare":
        return this.#same(verb, ...(await this.#sharing.removePrefix(this.#desk, command)));
      case "trust":
        return this.#sharing.trust(this.#desk, command);
      case "evict":
        return this.#same(verb, ...(await this.#space.evict(this.#desk, command)));
      case "copy":
        return this.#same(verb, ...(await this.#space.openCopy(this.#desk, segment, pick)));
      case "move":
        return this.#same(verb, ...(await this.#space.move(this.#desk, command)));
      case "replicate":
        return this.#same(verb, ...(await this.#space.replicate(this.#desk, command)));
      case "drop":
        return this.#same(verb, ...(await this.#space.drop(this.#desk, segment, pick)));
      case "cut":
        if (model.turns.get(turn)?.isReported === false) await this.#report(turn, 0);
        return this.#same(verb, ...(await this.#cuts.cut(this.#desk, turn, command)));
      case "save":
        if (pick % 5 > 0) this.#same("create", await this.#create(name), model.create(name));
        this.#same(verb, ...(await this.#snapshots.open(this.#desk, command)));
        if (!isSo) return;
        return this.#same("keep", ...(await this.#snapshots.keep(this.#desk, command)));
      case "keep":
        return this.#same(verb, ...(await this.#snapshots.keep(this.#desk, command)));
      case "repair":
        return this.#repair(pick);
      case "sweep":
        return this.#sweep();
      case "unlink":
        return this.#unlink();
      case "crash":
        return this.#crash();
    }
  }

  async #create(name: string): Promise<string> {
    const retention = { ...RETENTION, priority: PRIORITIES.get(name) ?? 0 };
    return (await this.#desk.create(name, { retention })).kind;
  }

  async #fork(parent: string, child: string): Promise<void> {
    const outcome = await this.#desk.fork(parent, child);
    const kind = outcome.kind === "refused" ? outcome.reason : outcome.kind;
    this.#same("fork", kind, this.#model.fork(parent, child));
  }

  /** As a plan does it: match, and reserve what the match left over and a few tokens more. */
  async #reserve({ name, text, few, isSo, pick }: Command): Promise<void> {
    if (pick % 5 > 0) this.#same("create", await this.#create(name), this.#model.create(name));
    const whenBusy = pick % 3 === 0 ? "branch" : "wait";
    const expected = this.#model.whyNotReserved(name, whenBusy);
    // Now and then it does not look, as if another session stored the same at the same moment.
    const matched = await this.#desk.match(name, pick % 4 === 0 ? "" : text);
    const listed = matched.segments.map(({ id }) => id);
    const read = listed.map((id) => ({ id, file: this.#space.copyOf(id, pick).name }));
    this.#desk.reads = ({ id }) => this.#space.copyOf(id, pick);
    const fresh = text.length - matched.tokens;
    const parts = isSo && few > 0 ? [fresh, few] : [fresh + few];
    const tokenStart = matched.tokens;
    const deadlineMs = this.#model.nowMs + 500;
    const options = { listed, tokenStart, parts, whenBusy, deadlineMs } as const;
    const outcome = await this.#desk.reserve(name, options);
    if (outcome.kind !== "reserved") {
      const reason = outcome.kind === "busy" ? "busy" : outcome.reason;
      return this.#same("reserve", reason, expected);
    }
    this.#same("reserve", undefined, expected);
    const { reservation } = outcome;
    const whole = text + "z".repeat(few);
    const turn = { session: name, reservation, text: whole, deadlineMs };
    expect(this.#model.reserved(turn, read)).toBe("");
    expect(this.#gone.has(reservation.file.name)).toBe(false);
    this.#turns.push(reservation.turn);
    this.#texts.set(reservation.turn, whole);
  }

  async #lease(name: string, segment: SegmentId, pick: number): Promise<void> {
    const { nowMs } = this.#model;
    const untilMs = nowMs + 700;
    const file = this.#space.copyOf(segment, pick);
    this.#desk.reads = () => file;
    const leased = await this.#desk.lease(name, [segment], untilMs);
    const copy = { id: segment, file: file.name };
    this.#same("lease", leased, this.#model.lease(name, copy, untilMs));
  }

  /** All of it, or a few tokens less. */
  async #report(turn: TurnId, less: number): Promise<void> {
    const whole = this.#texts.get(turn) ?? "";
    const text = whole.slice(0, whole.length - less);
    const reservation = this.#model.turns.get(turn)?.reservation;
    const settleByMs = this.#model.nowMs + 600;
    const late = { turn, nowMs: this.#model.nowMs, settleByMs, segments: [] };
    const outcome = await (reservation === undefined
      ? this.#desk.catalog.report(late)
      : this.#desk.report(reservation, text, { settleByMs }));
    const kind = outcome.kind === "conflict" ? outcome.reason : outcome.kind;
    this.#same("report", kind, this.#model.report(turn, text, settleByMs));
  }

  async #sweep(): Promise<void> {
    const { unlinkable } = await this.#desk.sweep();
    const files = unlinkable.map(({ name }) => name as string).toSorted();
    this.#same("sweep", files.join(), this.#model.sweep().join());
  }

  async #unlink(): Promise<void> {
    const { unlinkable } = await this.#desk.sweep();
    this.#model.sweep();
    await this.#desk.catalog.unlinked(unlinkable);
    this.#same("unlink", unlinkable.length > 0, unlinkable.length > 0);
    for (const { name } of unlinkable) {
      this.#model.files.delete(name);
      this.#gone.add(name);
    }
  }

  /** All that was answered is there for the next process, and nothing of a rule that was cut off. */
  async #crash(): Promise<void> {
    const cutOff = this.#store.write((tx) => {
      for (const { key: at } of tx.range({ from: "", to: "\xff", limit: 50 })) tx.remove(at);
      throw new Error("crash");
    });
    await expect(cutOff).rejects.toThrow("crash");
    this.#store = new MemoryStore(this.#store.snapshot());
    this.#desk = this.#desk.reopened(await openCatalog(this.#store));
  }

  /** Anything that follows from the records is lost, and comes back as it was. */
  async #repair(pick: number): Promise<void> {
    const whole = this.#store.snapshot();
    const derived = [...whole.keys()].filter((at) => !"sgtfpnrvyojm".includes(at[0] ?? ""));
    const damaged = new Map(whole);
    damaged.delete(derived[pick % Math.max(1, derived.length)] ?? "");
    this.#store = new MemoryStore(damaged);
    this.#desk = this.#desk.reopened(await openCatalog(this.#store));
    const mended = await this.#desk.catalog.repair(this.#model.nowMs);
    expect(mended).toHaveLength(Math.min(1, derived.length));
    expect(this.#store.snapshot()).toEqual(whole);
  }

  async #compare(command: Command): Promise<void> {
    const { name, text } = command;
    const { catalog } = this.#desk;
    for (const each of names) {
      const listed = (await catalog.segments(key(each))).map(({ id }) => id as string);
      expect(new Set(listed)).toEqual(new Set(this.#model.sessions.get(each)?.listed.keys()));
    }
    for (const [id, { length, isDurable }] of this.#model.segments) {
      const refs = this.#model.refs(id);
      const segment = await catalog.segment(id as SegmentId);
      expect(segment).toMatchObject({ refs, tokenLength: length });
      expect(segment?.state === "durable").toBe(isDurable);
    }
    for (const tenant of ["t", "other"]) {
      expect(await catalog.tenantUsage(tenant)).toEqual({ tenant, ...this.#model.usage(tenant) });
    }
    const match = await this.#desk.match(name, text);
    expect(match.tokens).toBe(this.#model.coverable(tenantOf(name), text));
    for (const { id } of match.segments) {
      const segment = this.#model.segments.get(id);
      expect(segment?.isDurable === true && text.startsWith(segment.text)).toBe(true);
    }
    await this.#space.compare(catalog);
    await this.#sharing.compare(this.#desk);
    await this.#snapshots.compare(this.#desk, command);
    expect(await catalog.audit()).toEqual([]);
  }
}

it(`does what the model does, in ${operations} operations of seed ${seed}`, async () => {
  const someRun = fc.array(someCommand, { maxLength: 2 * runLength, size: "max" });
  const property = fc.asyncProperty(someRun, async (commands) => {
    const store = new MemoryStore();
    const run = new Run(await openCatalog(store), store);
    for (const command of commands) await run.do(command);
  });
  await fc.assert(property, { seed, numRuns: Math.ceil(operations / runLength) });
  expect([...met.keys()]).toEqual(expect.arrayContaining(usual));
}, 1_800_000);
