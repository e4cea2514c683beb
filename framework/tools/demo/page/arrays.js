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
  const row = a.shape[a.ndim - 1];
  if (y.size === a.size && b.size * row === a.size && b.ndim === a.ndim && b.shape[b.ndim - 1] === 1) {
    for (let j = 0, i = 0; j < b.size; j++) for (let k = 0; k < row; k++, i++) y.data[i] = f(a.data[i], b.data[j]);
    return y; // one number of b for each row of a
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

// x Wᵀ for the last axis of x (..., I) and W (O, I): two rows of x and four of W at a time, as
// numbers that are read once are then used several times.
function rowsTimes(x, W) {
  const [O, I] = W.shape, rows = x.size / I, w = W.data, v = x.data;
  const y = zeros([...x.shape.slice(0, -1), O]), out = y.data;
  const dot = (n, o) => {
    let p = 0;
    for (let i = 0; i < I; i++) p += v[n * I + i] * w[o * I + i];
    return p;
  };
  for (let n = 0; n < rows; n += 2) {
    const pair = n + 1 < rows ? 1 : 0, r = n * I, s = r + pair * I;
    let o = 0;
    for (; o + 4 <= O; o += 4) {
      const a = o * I, b = a + I, c = b + I, d = c + I;
      let p0 = 0, p1 = 0, p2 = 0, p3 = 0, q0 = 0, q1 = 0, q2 = 0, q3 = 0;
      for (let i = 0; i < I; i++) {
        const s0 = v[r + i], s1 = v[s + i], w0 = w[a + i], w1 = w[b + i], w2 = w[c + i], w3 = w[d + i];
        p0 += s0 * w0; p1 += s0 * w1; p2 += s0 * w2; p3 += s0 * w3;
        q0 += s1 * w0; q1 += s1 * w1; q2 += s1 * w2; q3 += s1 * w3;
      }
      const at = n * O + o, next = at + pair * O;
      out[next] = q0; out[next + 1] = q1; out[next + 2] = q2; out[next + 3] = q3;
      out[at] = p0; out[at + 1] = p1; out[at + 2] = p2; out[at + 3] = p3;
    }
    for (; o < O; o++) {
      out[(n + pair) * O + o] = dot(n + pair, o);
      out[n * O + o] = dot(n, o);
    }
  }
  return y;
}

// a @ b for the last two axes; further axes are broadcast.
function matmul(a, b) {
  const [T, I] = a.shape.slice(-2), O = b.shape[b.ndim - 1];
  const outer = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), y = zeros([...outer, T, O]);
  const first = (x) => strides({ shape: x.shape.slice(0, -2), ndim: x.ndim - 2 }, outer);
  const places = [], row = new Float64Array(O);
  walk(outer, first(a), (n, i) => places.push(i * T * I));
  walk(outer, first(b), (n, j) => {
    for (let t = 0; t < T; t++) {
      row.fill(0);
      for (let i = 0; i < I; i++) {
        const v = a.data[places[n] + t * I + i], from = (j * I + i) * O;
        for (let o = 0; o < O; o++) row[o] += v * b.data[from + o];
      }
      y.data.set(row, (n * T + t) * O);
    }
  });
  return y;
}

// Reduce axes by f(result so far, element), from a first value; keepdims as in NumPy.
function reduce(f, first, x, axes, keepdims = false) {
  const kept = x.shape.map((n, k) => (axes.includes(k) ? 1 : n));
  const y = new Float64Array(product(kept)).fill(first);
  if (axes.length === 1 && axes[0] === x.ndim - 1) {
    const n = x.shape[x.ndim - 1];
    for (let j = 0, i = 0; j < y.length; j++) for (let k = 0; k < n; k++, i++) y[j] = f(y[j], x.data[i]);
  } else {
    walk(x.shape, strides({ shape: kept, ndim: x.ndim }, x.shape), (i, j) => { y[j] = f(y[j], x.data[i]); });
  }
  const shape = keepdims ? kept : x.shape.filter((n, k) => !axes.includes(k));
  return new Arr(shape, Float32Array.from(y));
}

function sum(x, axes, keepdims) { return reduce((s, v) => s + v, 0, x, axes, keepdims); }
function max(x, axes, keepdims) { return reduce((m, v) => (v > m ? v : m), -Infinity, x, axes, keepdims); }

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
