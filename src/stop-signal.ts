/**
 * npm passes on a Ctrl-C that its program has from the terminal already, a millisecond later. What comes again so soon is
 * the same wish, not impatience.
 */
const ECHO_MS = 1_000;

/** Resolves at the first of these signals. A second after it they do again what they did before this call. */
export async function untilStopped(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals) => {
      resolve(signal);
      setTimeout(() => {
        for (const name of signals) process.off(name, stop);
      }, ECHO_MS).unref();
    };
    for (const name of signals) process.on(name, stop);
  });
}
