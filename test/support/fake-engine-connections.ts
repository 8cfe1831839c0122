import type {
  ConnectionEvents,
  EngineTarget,
  OpenConnection,
} from "../../src/kv/engines/engine-connection.ts";
import { SERVER_INFO } from "./engine-info.ts";

/** One connection of a watch, whose other side a test plays. */
export class FakeEngineConnection {
  readonly target: EngineTarget;
  readonly #events: ConnectionEvents;
  /** Questions without an answer as yet. */
  readonly asked: string[] = [];
  /** What was sent with questions, oldest first. */
  readonly sent: string[] = [];
  isClosed = false;

  constructor(target: EngineTarget, events: ConnectionEvents) {
    this.target = target;
    this.#events = events;
  }

  get(path: string): void {
    this.asked.push(path);
  }

  post(path: string, json: string): void {
    this.asked.push(path);
    this.sent.push(json);
  }

  close(): void {
    this.isClosed = true;
  }

  /** To what was asked last: as an engine that has the profile, unless told otherwise. */
  answer(said: object = {}, status = 200): void {
    this.answerText(JSON.stringify({ ...SERVER_INFO, ...said }), status);
  }

  answerText(text: string, status = 200): void {
    if (this.asked.pop() === undefined || this.isClosed) throw new Error("nothing was asked");
    this.#events.answered({ status, text });
  }

  lose(why: string): void {
    if (this.isClosed) throw new Error("it is closed");
    this.isClosed = true;
    this.#events.lost(why);
  }
}

/** All that were opened, oldest first. */
export function fakeEngineConnections() {
  const opened: FakeEngineConnection[] = [];
  const open: OpenConnection = (target, events) => {
    const connection = new FakeEngineConnection(target, events);
    opened.push(connection);
    return connection;
  };
  const latest = (): FakeEngineConnection => {
    const connection = opened.at(-1);
    if (connection === undefined) throw new Error("none was opened");
    return connection;
  };
  return { open, opened, latest };
}
