/** What the work comes to, or undefined as soon as the signal is aborted; the work then goes on unheard. */
export async function unlessOver<T>(work: Promise<T>, over: AbortSignal): Promise<T | undefined> {
  if (over.aborted) return undefined;
  const left = Promise.withResolvers<undefined>();
  const leave = (): void => left.resolve(undefined);
  over.addEventListener("abort", leave);
  try {
    return await Promise.race([work, left.promise]);
  } finally {
    over.removeEventListener("abort", leave);
  }
}
