// LayerNorm and RMSNorm: each sample, or position, by its own moments.
//
//   y = w (x - mean) r + b            r = 1 / √(var + eps)
//   y = w x r                         r = 1 / √(mean of x² + eps)

function lastAxes(x, count) { return Array.from({ length: count }, (_, k) => x.ndim - count + k); }

layers.LayerNorm = class LayerNorm extends Layer {
  static formula = "y = w (x - mean) / √(var + eps) + b";
  forward(x) {
    const axes = lastAxes(x, this.normalized_shape.length);
    const centred = subtract(x, mean(x, axes, true));
    const variance = mean(map((v) => v * v, centred), axes, true);
    const r = map((v) => 1 / Math.sqrt(v + this.eps), variance);
    const x_hat = multiply(centred, r);
    return this.affine(x_hat);
  }
};

layers.RMSNorm = class RMSNorm extends Layer {
  static formula = "y = w x / √(mean of x² + eps)";
  forward(x) {
    const axes = lastAxes(x, this.normalized_shape.length), eps = this.eps ?? 2 ** -23;
    const r = map((v) => 1 / Math.sqrt(v + eps), mean(map((v) => v * v, x), axes, true));
    const x_hat = multiply(x, r);
    return this.affine(x_hat);
  }
};
