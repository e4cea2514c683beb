// BatchNorm1d and BatchNorm2d: each channel by its mean and variance in training.
//
//   y = w (x - mean) / √(var + eps) + b            channels last

class BatchNorm extends Layer {
  forward(x) { // x (..., C)
    const r = map((v) => 1 / Math.sqrt(v + this.eps), this.running_var); // (C,)
    const x_hat = multiply(subtract(x, this.running_mean), r); // (..., C)
    return this.affine(x_hat);
  }
}

layers.BatchNorm1d = class BatchNorm1d extends BatchNorm {
  static formula = "y = w (x - mean) / √(var + eps) + b";
};
layers.BatchNorm2d = class BatchNorm2d extends BatchNorm {
  static formula = "y = w (x - mean) / √(var + eps) + b";
};
