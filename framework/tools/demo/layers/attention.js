// MultiHeadAttention: every position takes a weighted mean of all positions, per head.
//
//   q = x W_qᵀ + b_q      k = c W_kᵀ + b_k      v = c W_vᵀ + b_v            c is x, or a context
//   s = q kᵀ/√D + mask                          scores, (T, S)
//   p = softmax(s)                              weights: row i sums to 1
//   y = concat(p v of all heads) W_oᵀ + b_o

layers.MultiHeadAttention = class MultiHeadAttention extends Layer {
  static formula = "y = softmax(q kᵀ/√D) v W_oᵀ + b_o";
  forward(x, context, mask) { // x (N, T, C), context (N, S, C), mask (T, S)
    let [q, k, v] = this.project(x, context ?? x); // (N, H, T, D), (N, H, S, D) twice
    if (this.memory && !context) [k, v] = this.recalled(k, v); // with those of earlier positions
    const root = Math.sqrt(q.shape[3]);
    let s = matmul(map((value) => value / root, q), transpose(k, [0, 1, 3, 2])); // (N, H, T, S)
    if (this.is_causal) s = hideLater(s);
    if (mask) s = add(s, mask.ndim === 3 ? reshape(mask, mask.shape[0], 1, ...mask.shape.slice(1)) : mask);
    this.p = weights(s); // (N, H, T, S), kept for the pictures
    return this.out_proj.forward(this.merge(matmul(this.p, v))); // (N, T, C)
  }

  // Keys and values with those that are kept of earlier positions.
  recalled(k, v) {
    const { keys, values } = this.memory;
    this.memory.keys = keys ? concatenate([keys, k], 2) : k;
    this.memory.values = values ? concatenate([values, v], 2) : v;
    return [this.memory.keys, this.memory.values];
  }

  project(x, c) {
    const C = x.shape[2];
    let parts = [x, c, c].map((source, i) => {
      const W = new Arr([C, C], this.in_proj_weight.data.subarray(i * C * C, (i + 1) * C * C));
      const y = rowsTimes(source, W);
      if (!this.in_proj_bias) return y;
      return add(y, new Arr([C], this.in_proj_bias.data.subarray(i * C, (i + 1) * C)));
    }).map((y) => this.split(y));
    if (this.rotary) parts = [this.rotary.forward(parts[0]), this.rotary.forward(parts[1]), parts[2]];
    return parts;
  }

  // The heads (N, H, T, D) of x (N, T, C).
  split(x) {
    const [N, T, C] = x.shape, H = this.num_heads;
    return transpose(reshape(x, N, T, H, C / H), [0, 2, 1, 3]);
  }

  // y (N, T, C) of the heads (N, H, T, D).
  merge(y) {
    const [N, H, T, D] = y.shape;
    return reshape(transpose(y, [0, 2, 1, 3]), N, T, H * D);
  }
};

// softmax of each row; zeros for a row of -inf, where every key is masked.
function weights(s) {
  const e = map(Math.exp, subtract(s, map((m) => Math.max(m, -1e38), max(s, [3], true)))); // (N, H, T, S)
  return divide(e, map((total) => Math.max(total, 1), sum(e, [3], true))); // Σ ≥ 1, as the largest is exp(0)
}

// -inf at the keys after each query.
function hideLater(s) {
  const [T, S] = s.shape.slice(-2), y = new Arr(s.shape, s.data.slice());
  for (let i = 0; i < y.size; i++) if (i % S > Math.floor(i / S) % T + S - T) y.data[i] = -Infinity;
  return y;
}
