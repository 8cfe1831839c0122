/** How many tokens a text has, where nobody but the engine knows: by those that it counted. */

/** Tokens of a byte before the first count: English, by most tokenizers. */
const FIRST_GUESS = 0.25;
/** What is reserved for everybody hangs on the guess, so no client's text makes it less, such as one of a million spaces. */
const LEAST_GUESS = FIRST_GUESS / 2;
/** Texts of so many bytes halve what those before them say: one of a few bytes, of which the first token is most, says hardly anything. */
const HALVING_BYTES = 64 * 1024;

export class TokenGuess {
  /** Of texts that were counted, those of long ago less and less. */
  #countedTokens = 0;
  #countedBytes = 0;

  /** >= 1. */
  of(bytes: number): number {
    const [tokens, counted] = [this.#countedTokens, this.#countedBytes];
    const ofByte = counted === 0 ? FIRST_GUESS : Math.max(LEAST_GUESS, tokens / counted);
    return Math.max(1, Math.round(bytes * ofByte));
  }

  counted(bytes: number, tokens: number): void {
    const kept = 2 ** (-bytes / HALVING_BYTES);
    this.#countedTokens = this.#countedTokens * kept + tokens;
    this.#countedBytes = this.#countedBytes * kept + bytes;
  }
}
