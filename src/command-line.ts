/**
 * The arguments of the command line. Parsing is apart from acting, so that it can be tested without a process.
 */
import { parseArgs } from "node:util";
import { parseRoles, ROLES, type Roles } from "./roles.ts";

export const USAGE = `Usage: moorline COMMAND [OPTIONS]

Commands:
  serve          run the external processor and the KV service; SIGHUP reloads, SIGTERM or SIGINT drains and ends them
  check-config   read the configuration and every file that it names, and list all problems
  kv check       recompute what the catalog counts, compare it with the files, and list all differences; while nothing serves
  version        print the version

Options:
  -c, --config FILE   the configuration; MOORLINE_CONFIG where this is not given
  --roles ROLES       of serve and check-config: routing, kv or both with a comma between them; without it routing, and
                      kv where the configuration has that section
  --bytes             of kv check: read every stored segment too
  --repair            of kv check: mend what differs
  -h, --help          print this

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
`;

export type Command =
  | {
      readonly kind: "serve" | "check-config";
      readonly configPath: string;
      /** Undefined where the configuration decides. */
      readonly roles: Roles | undefined;
    }
  | {
      readonly kind: "kv check";
      readonly configPath: string;
      readonly repairs: boolean;
      readonly readsBytes: boolean;
    }
  | { readonly kind: "version" | "help" }
  | { readonly kind: "wrong"; readonly problem: string };

const OPTIONS = {
  config: { type: "string", short: "c" },
  roles: { type: "string" },
  repair: { type: "boolean" },
  bytes: { type: "boolean" },
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
  const { values, positionals } = parsed;
  if (values.help === true) return { kind: "help" };
  const words = positionals[0] === "kv" ? 2 : 1;
  const name = positionals.slice(0, words).join(" ");
  const rest = positionals.slice(words).join(" ");
  if (name === "") return wrong("a command is missing");
  if (rest !== "") return wrong(`${rest}: one command is enough`);
  switch (name) {
    case "version":
      return { kind: name };
    case "serve":
    case "check-config":
    case "kv check":
      return withOptions(name, { ...values, config: values.config ?? defaultConfigPath });
    default:
      return wrong(`${name} is no command`);
  }
}

interface Options {
  readonly config?: string | undefined;
  readonly roles?: string | undefined;
  readonly repair?: boolean | undefined;
  readonly bytes?: boolean | undefined;
}

function withOptions(
  kind: "serve" | "check-config" | "kv check",
  { config: configPath, roles: list, repair, bytes }: Options,
): Command {
  if (configPath === undefined || configPath === "") {
    return wrong(`${kind} needs --config FILE or MOORLINE_CONFIG`);
  }
  if (kind === "kv check") {
    if (list !== undefined) return wrong(`${kind} has no --roles`);
    return { kind, configPath, repairs: repair ?? false, readsBytes: bytes ?? false };
  }
  if (repair !== undefined) return wrong(`${kind} has no --repair`);
  if (bytes !== undefined) return wrong(`${kind} has no --bytes`);
  if (list === undefined) return { kind, configPath, roles: undefined };
  const roles = parseRoles(list);
  if (roles !== undefined) return { kind, configPath, roles };
  return wrong(`--roles "${list}" must be of ${ROLES.join(", ")}`);
}

function wrong(problem: string): Command {
  return { kind: "wrong", problem };
}
