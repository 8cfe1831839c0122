/**
 * The arguments of the command line. Parsing is apart from acting, so that it can be tested without a process.
 */
import { parseArgs } from "node:util";

export const USAGE = `Usage: moorline COMMAND [--config FILE]

Commands:
  serve          run the external processor; SIGHUP reloads, SIGTERM or SIGINT drains and ends it
  check-config   read the configuration and every file that it names, and list all problems
  version        print the version

Options:
  -c, --config FILE   the configuration; MOORLINE_CONFIG where this is not given
  -h, --help          print this

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
`;

export type Command =
  | { readonly kind: "serve" | "check-config"; readonly configPath: string }
  | { readonly kind: "version" | "help" }
  | { readonly kind: "wrong"; readonly problem: string };

const OPTIONS = {
  config: { type: "string", short: "c" },
  help: { type: "boolean", short: "h" },
} as const;

/** `defaultConfigPath` is what the environment names. */
export function parseCommand(
  args: readonly string[],
  defaultConfigPath: string | undefined,
): Command {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (reason) {
    return wrong(reason instanceof Error ? reason.message : String(reason));
  }
  const [name, ...rest] = parsed.positionals;
  if (parsed.values.help === true) return { kind: "help" };
  if (name === undefined) return wrong("a command is missing");
  if (rest.length > 0) return wrong(`${rest.join(" ")}: one command is enough`);
  if (name === "version") return { kind: name };
  if (name !== "serve" && name !== "check-config") return wrong(`${name} is no command`);
  const configPath = parsed.values.config ?? defaultConfigPath;
  if (configPath === undefined || configPath === "") {
    return wrong(`${name} needs --config FILE or MOORLINE_CONFIG`);
  }
  return { kind: name, configPath };
}

function wrong(problem: string): Command {
  return { kind: "wrong", problem };
}
