/** How long Moorline takes to answer what needs no work at all, again and again: its event loop, as somebody outside sees it. */
import { Agent, get } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { Moorline } from "../../demo/stack/moorline.ts";

const everyMs = 2;

export const Probe = {
  /** Milliseconds of each answer while the work is under way. */
  async during(
    { adminUrl }: Pick<Moorline, "adminUrl">,
    work: () => Promise<void>,
  ): Promise<readonly number[]> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const times: number[] = [];
    let isOver = false;
    const probing = (async () => {
      while (!isOver) {
        const startMs = performance.now();
        await answered(`${adminUrl}/livez`, agent);
        times.push(performance.now() - startMs);
        await pause(everyMs);
      }
    })();
    try {
      await work();
    } finally {
      isOver = true;
      await probing;
      agent.destroy();
    }
    return times;
  },
};

async function answered(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => response.resume().on("end", resolve)).on("error", reject);
  });
}
