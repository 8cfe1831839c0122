/**
 * Least squares with forgetting and without negative coefficients, one row at a time: what a unit of each feature costs, by what
 * was seen lately. It keeps the decayed sums of the normal equations, which is recursive least squares in its information form:
 * nothing in it grows or drifts, however long it runs and however alike the rows are.
 *
 * Of what recent rows say nothing, the coefficient stays as it was: each solution is drawn to the one before, by a part of the
 * weight so small that it counts for nothing else.
 */

/** Of a feature's own weight. It makes equations solvable whose features were always seen in one proportion. */
const STEADINESS = 1e-6;
/** Weight below which a sum of squares says nothing, long before its digits go. */
const FORGOTTEN = 1e-200;

export interface Row {
  /** As many as there are coefficients, finite. */
  readonly features: readonly number[];
  readonly target: number;
  /** > 0, finite. */
  readonly weight: number;
}

export class LeastSquares {
  readonly #size: number;
  /** Decayed sums of weight x feature x feature, row after row. */
  readonly #squares: number[];
  /** And of weight x feature x target. */
  readonly #products: number[];
  #coefficients: readonly number[];

  constructor(size: number) {
    this.#size = size;
    this.#squares = Array.from({ length: size * size }, () => 0);
    this.#products = Array.from({ length: size }, () => 0);
    this.#coefficients = Array.from({ length: size }, () => 0);
  }

  /** One for each feature, none below 0; 0 for one that was never seen. */
  get coefficients(): readonly number[] {
    return this.#coefficients;
  }

  valueOf(features: readonly number[]): number {
    return sum(features, (feature, at) => feature * (this.#coefficients[at] ?? 0));
  }

  /** What was added so far counts that much, 0..1, of what it did. */
  forget(share: number): void {
    for (const sums of [this.#squares, this.#products]) {
      for (const at of sums.keys()) sums[at] = (sums[at] ?? 0) * share;
    }
  }

  add({ features, target, weight }: Row): void {
    for (const [row, left] of features.entries()) {
      this.#products[row] = (this.#products[row] ?? 0) + weight * left * target;
      for (const [column, right] of features.entries()) {
        const at = row * this.#size + column;
        this.#squares[at] = (this.#squares[at] ?? 0) + weight * left * right;
      }
    }
  }

  /** Takes what was added into the coefficients. One that would be negative is 0 until the next time, and the others make up for it. */
  solve(): void {
    let active = [...this.#coefficients.keys()].filter((at) => this.#isKnown(at));
    let solution = this.#solved(active);
    for (;;) {
      const worst = solution.reduce((low, each, at) => (each < (solution[low] ?? 0) ? at : low), 0);
      if ((solution[worst] ?? 0) >= 0) break;
      const dropped = active[worst];
      active = active.filter((at) => at !== dropped);
      solution = this.#solved(active);
    }
    const next = this.#coefficients.map((before, at) => {
      if (!this.#isKnown(at)) return before;
      return solution[active.indexOf(at)] ?? 0;
    });
    if (next.every((each) => Number.isFinite(each))) this.#coefficients = next;
  }

  /** Of these features alone. Each is scaled to a diagonal of 1, so that units do not matter. */
  #solved(active: readonly number[]): number[] {
    const scales = active.map((at) => Math.sqrt(this.#square(at, at)));
    const scaleOf = (at: number) => scales[at] ?? 1;
    const matrix = active.map((row, i) =>
      active.map((column, j) => {
        const square = this.#square(row, column) / scaleOf(i) / scaleOf(j);
        return i === j ? square + STEADINESS : square;
      }),
    );
    const right = active.map((at, i) => {
      const before = (this.#coefficients[at] ?? 0) * scaleOf(i);
      return (this.#products[at] ?? 0) / scaleOf(i) + STEADINESS * before;
    });
    return solveLinear(matrix, right).map((each, i) => each / scaleOf(i));
  }

  #isKnown(at: number): boolean {
    return this.#square(at, at) > FORGOTTEN;
  }

  #square(row: number, column: number): number {
    return this.#squares[row * this.#size + column] ?? 0;
  }
}

/** By Gaussian elimination, which a positive definite matrix allows without looking for pivots. Both arguments are used up. */
function solveLinear(matrix: number[][], right: number[]): number[] {
  const at = (row: number, column: number) => matrix[row]?.[column] ?? 0;
  for (const pivot of right.keys()) {
    for (let row = pivot + 1; row < right.length; row++) {
      const factor = at(row, pivot) / at(pivot, pivot);
      matrix[row] = right.map((_, column) => at(row, column) - factor * at(pivot, column));
      right[row] = (right[row] ?? 0) - factor * (right[pivot] ?? 0);
    }
  }
  for (let row = right.length - 1; row >= 0; row--) {
    const known = sum(right.slice(row + 1), (value, later) => value * at(row, row + 1 + later));
    right[row] = ((right[row] ?? 0) - known) / at(row, row);
  }
  return right;
}

function sum(values: readonly number[], term: (value: number, at: number) => number): number {
  return values.reduce((total, value, at) => total + term(value, at), 0);
}
