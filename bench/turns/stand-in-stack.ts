/** One stand-in engine behind Envoy, with and without Moorline, and a client's connections, which stay open. */
import { Agent } from "node:http";
import { createFiles, type Stack, startStack } from "./stack.ts";
import { type StandInOptions, startStandIn } from "./stand-in.ts";

export interface StandInStack extends AsyncDisposable {
  readonly stack: Stack;
  readonly agent: Agent;
}

export async function startStandInStack(answer: StandInOptions["answer"]): Promise<StandInStack> {
  await using parts = new AsyncDisposableStack();
  const files = await createFiles();
  parts.defer(() => files.close());
  const engine = await startStandIn({ root: files.path, answer });
  parts.defer(() => engine.close());
  const endpoints = [{ name: "engine", address: engine.address }];
  const stack = await startStack({ endpoints, files: files.path, mode: "sticky" });
  parts.defer(() => stack.close());
  const agent = new Agent({ keepAlive: true });
  parts.defer(() => agent.destroy());
  const started = parts.move();
  return { stack, agent, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
