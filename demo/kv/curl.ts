/** A request as a line for a shell, which does the same again. */

export interface SentRequest {
  readonly method: string;
  readonly url: string;
  /** None for the default one. */
  readonly tenant: string | null;
  /** JSON; empty where there is none. */
  readonly body: string;
}

/** Fewer numbers than that are shorter as they are. */
const shortestRun = 5;
/** A body that would be longer has a line for each of its fields. */
const bodyWidth = 110;

export function formatCurl({ method, url, tenant, body }: SentRequest): string {
  const command = [
    "curl -s",
    ...(method === (body === "" ? "GET" : "POST") ? [] : [`-X ${method}`]),
    /[?&]/.test(url) ? quote(url) : url,
    ...(tenant === null ? [] : [`-H ${quote(`x-moorline-tenant: ${tenant}`)}`]),
  ].join(" ");
  return body === "" ? command : `${command} \\\n  --json ${formatBody(body)}`;
}

function formatBody(body: string): string {
  const line = withRuns(quote(body));
  if (line.length <= bodyWidth) return line;
  const fields = Object.entries(JSON.parse(body) as object).map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  return withRuns(quote(`{${fields.join(",\n    ")}}`));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Token ids that follow each other are left to the shell to count: it takes a prompt of any length into one line. */
function withRuns(quoted: string): string {
  return quoted.replaceAll(
    /\[(\d+(?:,\d+)*)\]/g,
    (_, list: string) => `[${runsOf(list.split(",").map(Number)).map(formatRun).join(",")}]`,
  );
}

function runsOf(numbers: readonly number[]): number[][] {
  const runs: number[][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run?.at(-1) === number - 1) run.push(number);
    else runs.push([number]);
  }
  return runs;
}

function formatRun(run: readonly number[]): string {
  return run.length < shortestRun
    ? run.join(",")
    : `'$(seq ${run[0]} ${run.at(-1)} | paste -sd, -)'`;
}
