/**
 * `npm run demo -- kv`: what the session KV service keeps, for whom, for how long, and that it is never a wrong byte, in six steps
 * over a real service, a real catalog and real files. Everything that is called ok was compared with what happened.
 */
import type { Stage } from "../stage.ts";
import { Caller } from "./caller.ts";
import { formatCount, formatSeconds, Narration } from "./narration.ts";
import type { Scene } from "./scene.ts";
import { KvService } from "./service.ts";
import { profile, tokenBytes } from "./settings.ts";
import { showCrashes } from "./steps/crashes.ts";
import { showEdit } from "./steps/edit.ts";
import { showExample } from "./steps/example.ts";
import { showExpiry } from "./steps/expiry.ts";
import { showFork } from "./steps/fork.ts";
import { showTenants } from "./steps/tenants.ts";
import { Writer } from "./writer.ts";

const steps = [showExample, showEdit, showFork, showTenants, showCrashes, showExpiry];

export async function runKvDemo(stage: Stage): Promise<string> {
  const startMs = performance.now();
  const { signal } = stage;
  const print = (text: string) => {
    if (!signal.aborted) console.log(text);
  };
  const service = await KvService.create();
  stage.onStart(service);
  await service.start();
  print(formatIntroduction(service));

  const narration = new Narration(print);
  const scene = sceneOf({ service, narration, signal });
  for (const step of steps) await step(scene);

  const took = formatSeconds(performance.now() - startMs);
  print(`\n${narration.claims} claims were compared with what happened, and held, in ${took}.`);
  return formatPlaces(service);
}

function sceneOf(parts: Pick<Scene, "service" | "narration" | "signal">): Scene {
  const { url, files } = parts.service;
  const writer = new Writer(files);
  const callerOf = (tenant: string) => new Caller({ url, tenant, writer });
  return { ...parts, writer, caller: new Caller({ url, writer }), callerOf };
}

function formatIntroduction({ url, pid, files }: KvService): string {
  const { id, dtype, layers, kvHeads, headDim } = profile;
  return [
    `moorline serve --roles kv: process ${pid}, its KV API at ${url}`,
    `Files, which engines see as file:///: ${files}`,
    `Model: ${id} in ${dtype}, ${layers} layers, ${kvHeads} KV heads of ${headDim}: ${formatCount(tokenBytes)} bytes per token.`,
    "There is no engine here: a writer puts random bytes where an engine would put its cache,",
    "and knows them again. Token ids are counted up: equal numbers stand for equal text.",
  ].join("\n");
}

function formatPlaces({ url, adminUrl, configPath, logPath, pid }: KvService): string {
  return [
    `KV API, described in ${url}/v1/openapi.json`,
    `Metrics: curl -s ${adminUrl}/metrics`,
    `Configuration: ${configPath}`,
    `Log: ${logPath}`,
    `Process: ${pid}`,
  ].join("\n");
}
