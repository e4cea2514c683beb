// Arrays with NumPy's names: a shape and its numbers in row-major order, float32 as in NumPy.
// Sums are added up in double precision and rounded once, at the end.

class Arr {
  constructor(shape, data) {
    this.shape = shape;
    this.data = data || new Float32Array(product(shape));
  }
  get ndim() { return this.shape.length; }
  get size() { return this.data.length; }
}

function product(sizes) { return sizes.reduce((a, b) => a * b, 1); }

function zeros(shape) { return new Arr(shape); }

function full(shape, value) { return new Arr(shape, new Float32Array(product(shape)).fill(value)); }

// The same numbers in another shape; one size may be -1.
function reshape(x, ...shape) {
  const known = product(shape.filter((n) => n !== -1));
  return new Arr(shape.map((n) => (n === -1 ? x.size / known : n)), x.data);
}

// f of each element.
function map(f, x) {
  const y = zeros(x.shape);
  for (let i = 0; i < x.size; i++) y.data[i] = f(x.data[i]);
  return y;
}

// The shape of two arrays that are broadcast together.
function broadcast(a, b) {
  const n = Math.max(a.length, b.length), shape = [];
  for (let k = 0; k < n; k++) {
    const p = a[a.length - n + k] ?? 1, q = b[b.length - n + k] ?? 1;
    if (p !== q && p !== 1 && q !== 1) throw new Error(`shapes (${a}) and (${b}) do not fit`);
    shape.push(p === 1 ? q : p);
  }
  return shape;
}

// How far to go in x.data for one step along each axis of a larger shape; 0 where x is repeated.
function strides(x, shape) {
  const steps = new Array(shape.length).fill(0);
  for (let k = x.ndim - 1, step = 1; k >= 0; k--) {
    if (x.shape[k] !== 1) steps[shape.length - x.ndim + k] = step;
    step *= x.shape[k];
  }
  return steps;
}

// Visit each place of a shape in order: f(i, j), with j the place along the given strides.
function walk(shape, steps, f, start = 0) {
  const place = new Array(shape.length).fill(0), size = product(shape);
  let j = start;
  for (let i = 0; i < size; i++) {
    f(i, j);
    for (let k = shape.length - 1; k >= 0; k--) {
      j += steps[k];
      if (++place[k] < shape[k]) break;
      j -= steps[k] * shape[k];
      place[k] = 0;
    }
  }
}

// f of each pair of elements, broadcast.
function zip(f, a, b) {
  a = typeof a === "number" ? full([], a) : a;
  b = typeof b === "number" ? full([], b) : b;
  const y = zeros(broadcast(a.shape, b.shape)), n = b.size;
  if (y.size === a.size && (n === 1 || b.shape.every((s, k) => s === a.shape[a.ndim - b.ndim + k]))) {
    for (let i = 0, j = 0; i < y.size; i++, j = j + 1 === n ? 0 : j + 1) y.data[i] = f(a.data[i], b.data[j]);
    return y;
  }
  const places = new Int32Array(y.size);
  walk(y.shape, strides(a, y.shape), (i, j) => { places[i] = j; });
  walk(y.shape, strides(b, y.shape), (i, j) => { y.data[i] = f(a.data[places[i]], b.data[j]); });
  return y;
}

function add(a, b) { return zip((p, q) => p + q, a, b); }
function subtract(a, b) { return zip((p, q) => p - q, a, b); }
function multiply(a, b) { return zip((p, q) => p * q, a, b); }
function divide(a, b) { return zip((p, q) => p / q, a, b); }

// Axes in another order.
function transpose(x, axes) {
  const y = zeros(axes.map((axis) => x.shape[axis]));
  const own = x.shape.map((n, k) => product(x.shape.slice(k + 1)));
  walk(y.shape, axes.map((axis) => own[axis]), (i, j) => { y.data[i] = x.data[j]; });
  return y;
}

// x Wᵀ for the last axis of x (..., I) and W (O, I): four rows of W at a time.
function rowsTimes(x, W) {
  const [O, I] = W.shape, rows = x.size / I, w = W.data, v = x.data;
  const y = zeros([...x.shape.slice(0, -1), O]);
  for (let n = 0; n < rows; n++) {
    const xs = v.subarray(n * I, n * I + I);
    let o = 0;
    for (; o + 4 <= O; o += 4) {
      const a = o * I, b = a + I, c = b + I, d = c + I;
      let p = 0, q = 0, r = 0, s = 0;
      for (let i = 0; i < I; i++) {
        const t = xs[i];
        p += t * w[a + i]; q += t * w[b + i]; r += t * w[c + i]; s += t * w[d + i];
      }
      const at = n * O + o;
      y.data[at] = p; y.data[at + 1] = q; y.data[at + 2] = r; y.data[at + 3] = s;
    }
    for (; o < O; o++) {
      let p = 0;
      for (let i = 0; i < I; i++) p += xs[i] * w[o * I + i];
      y.data[n * O + o] = p;
    }
  }
  return y;
}

// a @ b for the last two axes; further axes are broadcast.
function matmul(a, b) {
  const [T, I] = a.shape.slice(-2), O = b.shape[b.ndim - 1];
  const outer = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), y = zeros([...outer, T, O]);
  const first = (x) => strides({ shape: x.shape.slice(0, -2), ndim: x.ndim - 2 }, outer);
  const places = [];
  walk(outer, first(a), (n, i) => places.push(i * T * I));
  walk(outer, first(b), (n, j) => {
    for (let t = 0; t < T; t++) {
      for (let o = 0; o < O; o++) {
        let p = 0;
        for (let i = 0; i < I; i++) p += a.data[places[n] + t * I + i] * b.data[j * I * O + i * O + o];
        y.data[(n * T + t) * O + o] = p;
      }
    }
  });
  return y;
}

// Reduce axes by f(sum so far, element), from a first value; keepdims as in NumPy.
function reduce(f, first, x, axes, keepdims = false) {
  const kept = x.shape.map((n, k) => (axes.includes(k) ? 1 : n));
  const y = new Arr(kept, new Float64Array(product(kept)).fill(first));
  walk(x.shape, strides(y, x.shape), (i, j) => { y.data[j] = f(y.data[j], x.data[i]); });
  const shape = keepdims ? kept : x.shape.filter((n, k) => !axes.includes(k));
  return new Arr(shape, Float32Array.from(y.data));
}

function sum(x, axes, keepdims) { return reduce((s, v) => s + v, 0, x, axes, keepdims); }
function max(x, axes, keepdims) { return reduce(Math.max, -Infinity, x, axes, keepdims); }

function mean(x, axes, keepdims) {
  const n = product(axes.map((axis) => x.shape[axis]));
  return map((s) => s / n, sum(x, axes, keepdims));
}

// Arrays joined along an axis; one of a single sample is repeated for all.
function concatenate(arrays, axis) {
  const N = Math.max(...arrays.map((x) => x.shape[0])), shape = [...arrays[0].shape];
  shape[0] = N;
  shape[axis] = arrays.reduce((n, x) => n + x.shape[axis], 0);
  const y = zeros(shape), inner = product(shape.slice(axis + 1)), outer = product(shape.slice(0, axis));
  let at = 0;
  for (const x of arrays) {
    const block = x.shape[axis] * inner, repeats = x.shape[0] === 1 ? outer / N : outer;
    for (let n = 0; n < outer; n++) {
      const from = (n % repeats) * block;
      y.data.set(x.data.subarray(from, from + block), n * shape[axis] * inner + at);
    }
    at += block;
  }
  return y;
}

// Start, stop, step and length of a slice along an axis, by Python's rules.
function bounds([start, stop, step], n) {
  step = step ?? 1;
  const clip = (k, missing) => {
    if (k === null) return missing;
    const low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    return Math.min(high, Math.max(low, k < 0 ? k + n : k));
  };
  const a = clip(start, step < 0 ? n - 1 : 0), b = clip(stop, step < 0 ? -1 : n);
  return [a, step, Math.max(0, Math.ceil((b - a) / step))];
}

// Shape, strides and start of the part x[key]: a number, [start, stop, step] or "new" for each axis.
function view(x, key) {
  const own = x.shape.map((n, k) => product(x.shape.slice(k + 1)));
  const shape = [], steps = [];
  let axis = 0, start = 0;
  const whole = [...key, ...x.shape.slice(key.filter((k) => k !== "new").length).map(() => [null, null, null])];
  for (const part of whole) {
    if (part === "new") { shape.push(1); steps.push(0); continue; }
    const n = x.shape[axis];
    if (typeof part === "number") {
      start += (part < 0 ? part + n : part) * own[axis];
    } else {
      const [a, step, count] = bounds(part, n);
      start += a * own[axis];
      shape.push(count);
      steps.push(step * own[axis]);
    }
    axis++;
  }
  return { shape, steps, start };
}

// x[key].
function take(x, key) {
  const { shape, steps, start } = view(x, key), y = zeros(shape);
  walk(shape, steps, (i, j) => { y.data[i] = x.data[j]; }, start);
  return y;
}

// A copy of x with x[key] = values.
function put(x, key, values) {
  const { shape, steps, start } = view(x, key), y = new Arr(x.shape, x.data.slice());
  const places = new Int32Array(product(shape));
  walk(shape, steps, (i, j) => { places[i] = j; }, start);
  walk(shape, strides(values, shape), (i, j) => { y.data[places[i]] = values.data[j]; });
  return y;
}

// exp(s) / Σ exp(s) of each row of the last axis, or of another.
function softmax(s, axis = s.ndim - 1) {
  const e = map(Math.exp, subtract(s, max(s, [axis], true)));
  return divide(e, sum(e, [axis], true));
}

function sigmoid(v) { return 1 / (1 + Math.exp(-v)); }
