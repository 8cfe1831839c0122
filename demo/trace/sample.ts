/**
 * Makes the sample from the whole trace: `node demo/trace/sample.ts conversation_trace.jsonl > demo/trace/conversations.jsonl`.
 * It keeps the lines of the first ten minutes that belong to conversations of at least three requests, as they are.
 */
import { readFile } from "node:fs/promises";
import { assignSessions, parseTrace } from "./sessions.ts";

const windowMs = 600_000;
const fewestRequests = 3;

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: node demo/trace/sample.ts TRACE.jsonl");
const early = parseTrace(await readFile(path, "utf8")).filter(
  ({ timestamp }) => timestamp < windowMs,
);
const requests = assignSessions(early);
const sizes = new Map<number, number>();
for (const { session } of requests) sizes.set(session, (sizes.get(session) ?? 0) + 1);
for (const { request, session } of requests) {
  if ((sizes.get(session) ?? 0) >= fewestRequests)
    process.stdout.write(`${JSON.stringify(request)}\n`);
}
