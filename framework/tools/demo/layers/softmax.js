// Softmax and LogSoftmax: positive numbers that sum to 1, and their logarithms.
//
//   y_i = exp(x_i - m) / Σ_j exp(x_j - m)            m = max_j x_j
//   y_i = x_i - m - log Σ_j exp(x_j - m)

layers.Softmax = class Softmax extends Layer {
  static formula = "y = exp(x) / Σ exp(x)";
  forward(x) { return softmax(x, (this.dim + x.ndim) % x.ndim); }
};

layers.LogSoftmax = class LogSoftmax extends Layer {
  static formula = "y = x - log Σ exp(x)";
  forward(x) {
    const dim = (this.dim + x.ndim) % x.ndim;
    const shifted = subtract(x, max(x, [dim], true));
    return subtract(shifted, map(Math.log, sum(map(Math.exp, shifted), [dim], true)));
  }
};
