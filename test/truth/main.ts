/**
 * `npm run test:truth [-- [llama] --turns N --seed S]`: 1,500 turns of computing engines unless told otherwise, or 400 of real
 * llama-servers. Prints one JSON line of what was counted, and what is wrong before it; fails where anything is. `--sabotage` shows
 * that it can: bytes are changed where nothing looks.
 */
import { parseArgs } from "node:util";
import { runLlamaTruth } from "./llama/llama-run.ts";
import { runTruth } from "./truth-run.ts";

const { values, positionals } = parseArgs({
  options: {
    turns: { type: "string" },
    seed: { type: "string", default: "1" },
    sabotage: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const runs = {
  engine: { run: runTruth, turns: "1500" },
  llama: { run: runLlamaTruth, turns: "400" },
} as const;
const [name = "engine", ...others] = positionals;
const chosen = Object.entries(runs).find(([known]) => known === name)?.[1];
if (chosen === undefined || others.length > 0)
  throw new Error(`usage: test:truth [${Object.keys(runs).join("|")}] [--turns N] [--seed S]`);
values.turns ??= chosen.turns;

const { line, problems } = await chosen.run({
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
