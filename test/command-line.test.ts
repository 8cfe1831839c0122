import { describe, expect, it } from "vitest";
import { parseCommand } from "../src/command-line.ts";

const parse = (...args: string[]) => parseCommand(args, "moorline.yaml");

describe("parseCommand", () => {
  it("prefers --config to the environment", () => {
    expect(parse("serve", "-c", "a.yaml")).toMatchObject({ kind: "serve", configPath: "a.yaml" });
    expect(parse("serve")).toMatchObject({ kind: "serve", configPath: "moorline.yaml" });
  });

  it.each([
    [[], "a command is missing"],
    [["serve"], "serve needs --config FILE or MOORLINE_CONFIG"],
    [["kv", "check"], "kv check needs --config FILE or MOORLINE_CONFIG"],
    [["serve", "now", "-c", "a"], "now: one command is enough"],
    [["kv", "check", "now", "-c", "a"], "now: one command is enough"],
    [["kv", "-c", "a"], "kv is no command"],
    [["kv", "chek", "-c", "a"], "kv chek is no command"],
    [["serve", "--config"], "Option '-c, --config <value>' argument missing"],
    [["serve", "--confg", "a"], expect.stringContaining("Unknown option '--confg'")],
  ])("refuses %j", (args, problem) => {
    expect(parseCommand(args, undefined)).toEqual({ kind: "wrong", problem });
  });

  it.each(["serve", "check-config"])("leaves the roles of %s to the configuration", (name) => {
    expect(parse(name)).toEqual({ kind: name, configPath: "moorline.yaml", roles: undefined });
  });

  it.each([
    ["routing", ["routing"]],
    ["kv", ["kv"]],
    ["kv,routing", ["routing", "kv"]],
    ["routing, kv,kv", ["routing", "kv"]],
  ])("takes --roles %s", (list, roles) => {
    expect(parse("serve", "--roles", list)).toMatchObject({ roles });
  });

  it.each(["", "kv,", "all", "routing kv"])("refuses --roles %j", (list) => {
    expect(parse("serve", "--roles", list)).toEqual({
      kind: "wrong",
      problem: `--roles "${list}" must be of routing, kv`,
    });
  });

  it("mends only where it was asked to", () => {
    expect(parse("kv", "check")).toMatchObject({ kind: "kv check", repairs: false });
    expect(parse("kv", "check", "--repair")).toMatchObject({ kind: "kv check", repairs: true });
    expect(parse("kv", "check", "--bytes")).toMatchObject({ repairs: false, readsBytes: true });
  });

  it.each([
    [["serve", "--repair"], "serve has no --repair"],
    [["check-config", "--bytes"], "check-config has no --bytes"],
    [["kv", "check", "--roles", "kv"], "kv check has no --roles"],
  ])("refuses %j, which another command has", (args, problem) => {
    expect(parse(...args)).toEqual({ kind: "wrong", problem });
  });

  it("asks a version for nothing", () => {
    expect(parse("version")).toEqual({ kind: "version" });
  });
});
