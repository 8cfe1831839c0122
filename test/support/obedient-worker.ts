/** A worker thread that does as it is told. */
import { parentPort } from "node:worker_threads";

export type Order = "die" | "hang" | "throw" | { readonly say: string };

parentPort?.on("message", (order: Order) => {
  switch (order) {
    case "die":
      process.exit(3);
    case "hang":
      for (;;);
    case "throw":
      return parentPort?.postMessage({ error: "no such thing" });
    default:
      return parentPort?.postMessage({ answer: order.say });
  }
});
