// The network: layers are made from their description, and run in the order of forward.

const layers = {}; // the classes of layers/*.js by name

// The base class: settings, arrays and parts become attributes, with the names that they have in Python.
class Layer {
  constructor(settings, arrays, parts) { Object.assign(this, settings, arrays, parts); }

  // w x̂ + b of a normalisation; both may be left out.
  affine(x_hat) {
    const y = this.weight ? multiply(x_hat, this.weight) : x_hat;
    return this.bias ? add(y, this.bias) : y;
  }
}

// The steps between layers, by their names in NumPy.
const operations = {
  add: (_, a, b) => add(a, b),
  subtract: (_, a, b) => subtract(a, b),
  multiply: (_, a, b) => multiply(a, b),
  divide: (_, a, b) => divide(a, b),
  power: (_, a, b) => zip(Math.pow, a, b),
  maximum: (_, a, b) => zip(Math.max, a, b),
  minimum: (_, a, b) => zip(Math.min, a, b),
  matmul: (_, a, b) => matmul(a, b),
  negative: (_, x) => map((v) => -v, x),
  exp: (_, x) => map(Math.exp, x),
  log: (_, x) => map(Math.log, x),
  sqrt: (_, x) => map(Math.sqrt, x),
  tanh: (_, x) => map(Math.tanh, x),
  absolute: (_, x) => map(Math.abs, x),
  square: (_, x) => map((v) => v * v, x),
  arange: ({ axis, start }, x) => new Arr([x.shape[axis]], Float32Array.from({ length: x.shape[axis] }, (_, i) => start + i)),
  reshape: ({ shape }, x) => reshape(x, ...shape.map((n, axis) => (n === 0 ? x.shape[axis] : n))),
  transpose: ({ axes }, x) => transpose(x, axes),
  mean: ({ axes, keepdims }, x) => mean(x, axes, keepdims),
  sum: ({ axes, keepdims }, x) => sum(x, axes, keepdims),
  max: ({ axes, keepdims }, x) => max(x, axes, keepdims),
  take: ({ key }, x) => take(x, key),
  put: ({ key }, x, values) => put(x, key, values),
  concatenate: ({ axis }, ...arrays) => concatenate(arrays, axis),
  stack: ({ axis }, ...arrays) => concatenate(
    arrays.map((x) => reshape(x, ...x.shape.slice(0, axis), 1, ...x.shape.slice(axis))), axis),
};

// A number of 16 bits: sign, 5 bits of exponent, 10 of fraction (IEEE 754).
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// The arrays of the network from their bytes: float32, float16, or int8 with a factor for each row.
function decode(tensors, base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)), buffer = bytes.buffer;
  return tensors.map(({ shape, format, start, factors }) => {
    const n = product(shape);
    if (format === "float32") return new Arr(shape, new Float32Array(buffer, start, n));
    if (format === "float16") return new Arr(shape, Float32Array.from(new Uint16Array(buffer, start, n), fromHalf));
    if (format === "uint8") return new Arr(shape, Float32Array.from(new Uint8Array(buffer, start, n)));
    const scale = new Float32Array(buffer, factors, shape[0]), row = n / shape[0];
    return new Arr(shape, Float32Array.from(new Int8Array(buffer, start, n), (q, i) => q * scale[Math.floor(i / row)]));
  });
}

class Model {
  length = 0; // of the text that was read, see `extend`

  constructor({ nodes, output, tensors, weights }) {
    const arrays = decode(tensors, weights);
    const pick = (indices) => Object.fromEntries(Object.entries(indices ?? {}).map(([name, i]) => [name, arrays[i]]));
    const build = ({ type, settings, arrays: own, parts }) => {
      const inside = Object.fromEntries(Object.entries(parts ?? {}).map(([name, part]) => [name, build(part)]));
      return new layers[type](settings, pick(own), inside);
    };
    this.output = output;
    this.nodes = nodes.map((node) => ({
      ...node,
      layer: node.type in layers ? build(node) : null,
      value: node.type === "constant" ? pick(node.arrays).value : null,
    }));
  }

  // The output for x (N, ...). Each node keeps its own in `value` for the pictures, if it should.
  forward(x, keep = true) {
    const values = [], start = this.length;
    for (const node of this.nodes) {
      const inputs = node.inputs.map((i) => (i === null ? undefined : values[i]));
      if (node.type === "input") values.push(x);
      else if (node.type === "constant") values.push(node.value);
      else values.push(node.layer ? node.layer.forward(...inputs) : operations[node.type]({ ...node.settings, start }, ...inputs));
    }
    if (keep) this.nodes.forEach((node, k) => { node.value = values[k]; });
    return values[this.output];
  }

  // All layers, with those inside others.
  *layers(found = this.nodes.map((node) => node.layer)) {
    for (const layer of found) {
      if (!(layer instanceof Layer)) continue;
      yield layer;
      yield* this.layers(Object.values(layer));
    }
  }

  // Begin a text: layers that look back keep keys and values, or their state, in `memory`.
  restart(remember = true) {
    this.length = 0;
    for (const layer of this.layers()) layer.memory = remember ? { length: 0 } : null;
  }

  // The outputs for tokens (1, T) that follow those of the calls before, since `restart`.
  extend(x) {
    const before = this.nodes.map((node) => node.value);
    const y = this.forward(x), T = x.shape[1];
    if (this.length) {
      this.nodes.forEach((node, k) => {
        if (node.value.ndim > 1 && node.value.shape[1] === T && node.type !== "constant") {
          node.value = concatenate([before[k], node.value], 1);
        }
      });
    }
    this.length += T;
    for (const layer of this.layers()) layer.memory.length = this.length;
    return y;
  }
}
