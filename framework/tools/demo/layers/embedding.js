// Embedding: every index is replaced by its row of a table.
//
//   y_n = W_{x_n}            W (V, D)

layers.Embedding = class Embedding extends Layer {
  static formula = "y = row x of W";
  forward(x) { // x (...), whole numbers
    const D = this.weight.shape[1], y = zeros([...x.shape, D]);
    x.data.forEach((v, n) => y.data.set(this.weight.data.subarray(v * D, (v + 1) * D), n * D));
    return y; // (..., D)
  }
};
