/** CPU time of another process. */
import { readFile } from "node:fs/promises";

/** Linux counts in ticks of 10 ms, whatever the kernel's own timer does. */
const TICK_MS = 10;

/** User and system time so far in ms; undefined where the system has no /proc. */
export async function cpuTimeMs(pid: number): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  // The second field is the command's name in parentheses and may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
