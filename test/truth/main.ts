/**
 * `npm run test:truth [-- --turns N --seed S]`: 1,500 turns unless told otherwise. Prints one JSON line of what was counted, and what
 * is wrong before it; fails where anything is. `--sabotage` shows that it can: bytes are changed where nothing looks.
 */
import { parseArgs } from "node:util";
import { runTruth } from "./truth-run.ts";

const { values } = parseArgs({
  options: {
    turns: { type: "string", default: "1500" },
    seed: { type: "string", default: "1" },
    sabotage: { type: "boolean", default: false },
  },
});

const { line, problems } = await runTruth({
  turns: parseCount("turns", 1),
  seed: parseCount("seed", 0),
  isSabotage: values.sabotage,
});
for (const problem of problems) console.error(problem);
console.log(JSON.stringify(line));
process.exitCode = problems.length === 0 ? 0 : 1;

function parseCount(name: "turns" | "seed", least: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${name} ${values[name]} must be an integer of at least ${least}`);
}
