// ReLU, LeakyReLU, ELU: linear above zero.
//
//   y = max(x, 0)
//   y = max(x, 0) + slope min(x, 0)
//   y = max(x, 0) + α (exp(min(x, 0)) - 1)

layers.ReLU = class ReLU extends Layer {
  static formula = "y = max(x, 0)";
  forward(x) { return map((v) => Math.max(v, 0), x); }
};

layers.LeakyReLU = class LeakyReLU extends Layer {
  static formula = "y = max(x, 0) + slope min(x, 0)";
  forward(x) { return map((v) => Math.max(v, 0) + this.negative_slope * Math.min(v, 0), x); }
};

layers.ELU = class ELU extends Layer {
  static formula = "y = max(x, 0) + α (exp(min(x, 0)) - 1)";
  forward(x) { return map((v) => Math.max(v, 0) + this.alpha * Math.expm1(Math.min(v, 0)), x); }
};
