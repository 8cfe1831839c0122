import { execFile } from "node:child_process";
import { promisify } from "node:util";

const outputLimitBytes = 64 * 1024 * 1024;
const tailLines = 40;

export interface CommandOptions {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the command, and rejects. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Resolves to the standard output. Rejects with the last lines of all output when the command fails. */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      env: { ...process.env, ...options.env },
      maxBuffer: outputLimitBytes,
      ...(options.signal && { signal: options.signal }),
      ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs }),
    });
    return stdout;
  } catch (reason) {
    if (options.signal?.aborted === true) throw reason;
    const { stdout = "", stderr = "" } = reason as { stdout?: string; stderr?: string };
    const tail = `${stdout}\n${stderr}`.trim().split("\n").slice(-tailLines).join("\n");
    throw new Error(`${command} ${args.join(" ")} failed:\n${tail}`, { cause: reason });
  }
}
