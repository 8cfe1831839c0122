/** What SGLang's engines are asked, and what their answers say of them. Before one is ready, its tokenizer is tested. */
import type { DialectName } from "../dialects/dialect.ts";
import type { ModelProfile } from "../model/profile.ts";
import type { EngineState } from "../path/engine-directory.ts";
import type { EngineInstance } from "../records.ts";
import type { TokenizerProbe } from "../tokens/tokenizer-probes.ts";
import type { Answer } from "./engine-connection.ts";
import {
  maxPromptTokens,
  misplacesLoads,
  parseSaid,
  profileDifferences,
  type Said,
  tellsUsage,
} from "./engine-profile.ts";
import type { Finding, Question, Questions } from "./process-watch.ts";
import {
  afterIntroduction,
  type Introduction,
  OTHER_TOKENIZER,
  withOtherTools,
} from "./standing.ts";
import { type TestEnd, TOKENIZE, TokenizerTest } from "./tokenizer-test.ts";

export interface EngineQuestionsOptions {
  readonly profile: ModelProfile;
  readonly dialect: DialectName;
  /** Of its tokenizer; none: it is not tested. */
  readonly probes: readonly TokenizerProbe[];
  /** Never the same twice, in no process. */
  readonly newInstance: () => EngineInstance;
  /** Each time that it is about to be ready. */
  readonly tested: (end: TestEnd) => void;
}

interface RunningTest {
  readonly test: TokenizerTest;
  readonly passed: EngineState;
}

interface Fault extends Pick<Introduction, "unfit"> {
  readonly why: string | undefined;
}

const INTRODUCTION = "/get_server_info";
const HEALTH = "/health";

export class EngineQuestions implements Questions<EngineState> {
  readonly #options: EngineQuestionsOptions;
  #asked = INTRODUCTION;
  /** While it goes on: then the last question was one of its own. `passed`: what the engine is then. */
  #test: RunningTest | undefined;

  constructor(options: EngineQuestionsOptions) {
    this.#options = options;
  }

  first(round: "introduction" | "presence"): Question {
    this.#test = undefined;
    this.#asked = round === "introduction" ? INTRODUCTION : HEALTH;
    return { path: this.#asked };
  }

  answered(answer: Answer, state: EngineState): Question | Finding<EngineState> {
    if (this.#test !== undefined) return this.#probed(this.#test, answer);
    const { status, text } = answer;
    if (status < 200 || status > 299) return lost(`${status} from GET ${this.#asked}`);
    if (this.#asked !== INTRODUCTION) return found(state);
    const said = parseSaid(text);
    if (said === undefined) return lost(`no JSON object from GET ${this.#asked}`);
    return this.#introduced(said, state);
  }

  #introduced(said: Said, state: EngineState): Question | Finding<EngineState> {
    const { newInstance, probes } = this.#options;
    const { unfit, why } = this.#fault(said);
    const next = afterIntroduction(state, {
      unfit,
      tellsUsage: tellsUsage(said),
      maxPromptTokens: maxPromptTokens(said),
      newInstance,
    });
    const isTested = next === state || next.kind === "off" || probes.length === 0;
    if (isTested) return found(next, why);
    this.#test = { test: new TokenizerTest(probes), passed: next };
    return probeOf(this.#test);
  }

  #fault(said: Said): Fault {
    const { profile, dialect } = this.#options;
    const differences = profileDifferences(said, profile);
    if (differences.length > 0) return { unfit: "engine_mismatch", why: differences.join("; ") };
    if (misplacesLoads(said, dialect)) return { unfit: "engine_misplaces", why: undefined };
    return { unfit: undefined, why: undefined };
  }

  /** What the engine answered to the last probe. */
  #probed(running: RunningTest, answer: Answer): Question | Finding<EngineState> {
    const end = running.test.answered(answer);
    if (end === undefined) return probeOf(running);
    this.#test = undefined;
    this.#options.tested(end);
    if (end.result === "mismatch") return found(OTHER_TOKENIZER, end.why);
    return found(end.hasOtherTools === true ? withOtherTools(running.passed) : running.passed);
  }
}

function probeOf({ test }: RunningTest): Question {
  return { path: TOKENIZE, json: test.question };
}

function found(state: EngineState, why?: string): Finding<EngineState> {
  return { kind: "found", state, why };
}

function lost(why: string): Finding<EngineState> {
  return { kind: "lost", why };
}
