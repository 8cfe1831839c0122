/**
 * The health of one endpoint as a value, and the rules that change it. Pure: signs in, the next value out.
 *
 * Active checks decide by counting: `failures` bad ones in a row take an endpoint down, `successes` good ones bring it back.
 * Connection failures that the data path saw count like bad checks, but are believed less: see `passiveAllowance`.
 */

export interface HealthThresholds {
  /** Bad signs in a row that take an endpoint down. >= 1. */
  readonly failures: number;
  /** Good checks in a row that bring it back. >= 1. */
  readonly successes: number;
}

export interface Health {
  readonly isUp: boolean;
  /** An active check has decided once. Until then the next one decides alone, whatever the thresholds. */
  readonly isDecided: boolean;
  /** Signs in a row that speak against the present state; always below the threshold that would change it. */
  readonly contrary: number;
  /** Down by connection failures alone; a bad active check since then would have confirmed it and cleared this. */
  readonly isDownPassively: boolean;
}

export const unchecked: Health = {
  isUp: false,
  isDecided: false,
  contrary: 0,
  isDownPassively: false,
};

const up: Health = { isUp: true, isDecided: true, contrary: 0, isDownPassively: false };
const down: Health = { isUp: false, isDecided: true, contrary: 0, isDownPassively: false };

/** Without active checks an endpoint is up from the start. */
export const assumedUp: Health = up;

/** The process behind the endpoint is another one now: keep the state, but let the next check decide alone. */
export function undecided(health: Health): Health {
  return { ...health, isDecided: false, contrary: 0 };
}

export type CheckResult = "passed" | "failed";

export function afterCheck(
  health: Health,
  result: CheckResult,
  thresholds: HealthThresholds,
): Health {
  const now = result === "passed" ? up : down;
  if (!health.isDecided || health.isUp === now.isUp) return now;
  const contrary = health.contrary + 1;
  const threshold = now.isUp ? thresholds.successes : thresholds.failures;
  return contrary < threshold ? { ...health, contrary } : now;
}

export interface ConnectFailureRules {
  readonly thresholds: HealthThresholds;
  /** The pool's passive allowance is not used up. */
  readonly mayGoDown: boolean;
}

/** The data path failed to connect. */
export function afterConnectFailure(health: Health, rules: ConnectFailureRules): Health {
  if (!health.isUp) return { ...health, contrary: 0 };
  const { failures } = rules.thresholds;
  const contrary = health.contrary + 1;
  if (contrary < failures) return { ...health, contrary };
  // Where it may not go down it stays one sign short, so that a single bad check settles it.
  return rules.mayGoDown
    ? { ...down, isDownPassively: true }
    : { ...health, contrary: failures - 1 };
}

/**
 * How many endpoints of a pool may be down by passive signs alone: half, rounded down. What Envoy cannot reach may be
 * Envoy's own fault (its network, its limits), and then every endpoint fails at once; half a pool goes on serving until
 * active checks have said what is true.
 */
export function passiveAllowance(poolSize: number): number {
  return Math.floor(poolSize / 2);
}

/**
 * Down by passive signs and no active checks to bring it back: it is tried again after this time. Ten seconds cost a dead
 * endpoint one failed connection in ten seconds, which Envoy repeats at the next address of the list, and keep an endpoint
 * that restarted away for no longer than engines take to load.
 */
export const PASSIVE_RECOVERY_MS = 10_000;
