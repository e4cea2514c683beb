// ReLU, LeakyReLU, ELU: linear above zero.
//
//   y = max(x, 0)
//   y = max(x, 0) + slope min(x, 0)
//   y = max(x, 0) + α (exp(min(x, 0)) - 1)
//
//   dx = dy where x > 0; elsewhere 0, slope dy, or dy (y + α)

layers.ReLU = class ReLU extends Layer {
  static formula = "y = max(x, 0)";
  forward(x) { return (this.y = map((v) => Math.max(v, 0), x)); }
  backward(dy) { return zip((d, y) => (y > 0 ? d : 0), dy, this.y); }
};

layers.LeakyReLU = class LeakyReLU extends Layer {
  static formula = "y = max(x, 0) + slope min(x, 0)";
  forward(x) { return (this.y = map((v) => Math.max(v, 0) + this.negative_slope * Math.min(v, 0), x)); }
  backward(dy) { return zip((d, y) => (y > 0 ? d : this.negative_slope * d), dy, this.y); }
};

layers.ELU = class ELU extends Layer {
  static formula = "y = max(x, 0) + α (exp(min(x, 0)) - 1)";
  forward(x) { return (this.y = map((v) => Math.max(v, 0) + this.alpha * Math.expm1(Math.min(v, 0)), x)); }
  backward(dy) { return zip((d, y) => (y > 0 ? d : d * (y + this.alpha)), dy, this.y); }
};
