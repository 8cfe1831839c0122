/** The model beside a plain one: whole matrices, no cache, every formula as it is written in books. */
import { expect, it } from "vitest";
import { Model } from "../../../../demo/engine/model/model.ts";
import { SHAPES } from "../../../../demo/engine/model/shape.ts";
import type { ModelShape } from "../../../../demo/engine/model/shape.ts";
import { makeWeights } from "../../../../demo/engine/model/weights.ts";

type Vector = readonly number[];

const dot = (a: Vector, b: Vector) => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
const plus = (a: Vector, b: Vector) => a.map((value, at) => value + (b[at] ?? 0));
const normalized = (x: Vector) => x.map((value) => value / Math.sqrt(dot(x, x) / x.length + 1e-6));
const silu = (x: number) => x / (1 + Math.exp(-x));
const rowsOf = (matrix: Float64Array, columns: number) =>
  Array.from({ length: matrix.length / columns }, (_, row) =>
    Array.from(matrix.subarray(row * columns, (row + 1) * columns)),
  );
const product = (matrix: Float64Array, x: Vector) =>
  rowsOf(matrix, x.length).map((row) => dot(row, x));

/** The heads of a vector, each pair (i, i + half) turned as complex numbers are multiplied. */
function rotatedHeads(x: Vector, position: number, { headDim, ropeTheta }: ModelShape): Vector[] {
  const half = headDim / 2;
  return headsOf(x, headDim).map((head) =>
    head.map((value, at) => {
      const angle = position / ropeTheta ** ((at % half) / half);
      const other = head[(at + half) % headDim] ?? 0;
      return value * Math.cos(angle) + (at < half ? -other : other) * Math.sin(angle);
    }),
  );
}

function headsOf(x: Vector, headDim: number): Vector[] {
  return Array.from({ length: x.length / headDim }, (_, head) =>
    x.slice(head * headDim, (head + 1) * headDim),
  );
}

function attended(query: Vector, keys: readonly Vector[], values: readonly Vector[]): Vector {
  const weights = keys.map((key) => Math.exp(dot(query, key) / Math.sqrt(key.length)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return query.map(
    (_, at) =>
      dot(
        weights,
        values.map((value) => value[at] ?? 0),
      ) / sum,
  );
}

/** The logits of the last token. */
function plainLogits(shape: ModelShape, tokens: Vector): Vector {
  const { embedding, layers, head } = makeWeights(shape);
  const group = shape.heads / shape.kvHeads;
  let stream = tokens.map((token) => rowsOf(embedding, shape.hidden)[token] ?? []);
  for (const layer of layers) {
    const input = stream.map(normalized);
    const queries = input.map((x, at) => rotatedHeads(product(layer.query, x), at, shape));
    const keys = input.map((x, at) => rotatedHeads(product(layer.key, x), at, shape));
    const values = input.map((x) => headsOf(product(layer.value, x), shape.headDim));
    stream = stream.map((x, position) => {
      const mixed = (queries[position] ?? []).flatMap((query, at) => {
        const kvHead = Math.floor(at / group);
        const past = (rows: Vector[][]) =>
          rows.slice(0, position + 1).map((heads) => heads[kvHead] ?? []);
        return attended(query, past(keys), past(values));
      });
      const between = plus(x, product(layer.attentionOut, mixed));
      const up = product(layer.up, normalized(between));
      const gate = product(layer.gate, normalized(between)).map((g, at) => silu(g) * (up[at] ?? 0));
      return plus(between, product(layer.down, gate));
    });
  }
  return product(head, normalized(stream.at(-1) ?? []));
}

it.each([SHAPES.tiny, { ...SHAPES.tiny, layers: 3, heads: 6, headDim: 8, ropeTheta: 100 }])(
  "computes what a plain transformer computes, to the precision of the stored KV",
  (shape) => {
    const model = new Model({ ...shape, dtype: "fp32" });
    const tokens = [510, 17, 300, 17, 4, 511, 99, 17, 250, 3, 3, 3];
    for (const length of [1, 2, tokens.length]) {
      const prompt = tokens.slice(0, length);
      const logits = Array.from(model.forward(model.newCache(), prompt));
      const errors = plainLogits(model.shape, prompt).map((x, at) =>
        Math.abs(x - (logits[at] ?? NaN)),
      );
      expect(Math.max(...errors)).toBeLessThan(1e-5);
    }
  },
);
