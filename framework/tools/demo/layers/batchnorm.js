// BatchNorm1d and BatchNorm2d: each channel by its mean and variance in training.
//
//   y = w (x - mean) r + b            r = 1 / √(var + eps), channels last
//
//   dx = dy w r            dw = Σ_n dy x̂            db = Σ_n dy            with the kept moments

class BatchNorm extends Layer {
  forward(x) { // x (..., C)
    const axes = x.shape.slice(1).map((_, k) => k); // all but the channels
    const own = !this.running_mean; // no moments are kept: those of the batch
    const centre = own ? mean(x, axes) : this.running_mean; // (C,)
    const centred = subtract(x, centre); // (..., C)
    const variance = own ? mean(map((v) => v * v, centred), axes) : this.running_var; // (C,)
    const r = map((v) => 1 / Math.sqrt(v + this.eps), variance); // (C,)
    this.kept = { r, x_hat: multiply(centred, r) };
    return this.affine(this.kept.x_hat);
  }

  backward(dy) { // dy (N, C)
    const { r, x_hat } = this.kept;
    this.grad = { weight: sum(multiply(dy, x_hat), [0]), bias: sum(dy, [0]) };
    return multiply(this.weight ? multiply(dy, this.weight) : dy, r);
  }
}

layers.BatchNorm1d = class BatchNorm1d extends BatchNorm {
  static formula = "y = w (x - mean) / √(var + eps) + b";
};
layers.BatchNorm2d = class BatchNorm2d extends BatchNorm {
  static formula = "y = w (x - mean) / √(var + eps) + b";
};
