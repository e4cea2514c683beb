// Sigmoid, Tanh, SiLU, Softplus.
//
//   σ(x) = 1 / (1 + exp(-x))
//   y = σ(x)     y = tanh(x)     y = x σ(x)     y = log(1 + exp(β x)) / β
//
//   dx = dy y (1 - y)     dx = dy (1 - y²)     dx = dy σ (1 + x (1 - σ))     dx = dy σ(β x)

layers.Sigmoid = class Sigmoid extends Layer {
  static formula = "y = 1 / (1 + exp(-x))";
  forward(x) { return (this.y = map(sigmoid, x)); }
  backward(dy) { return zip((d, y) => d * y * (1 - y), dy, this.y); }
};

layers.Tanh = class Tanh extends Layer {
  static formula = "y = tanh(x)";
  forward(x) { return (this.y = map(Math.tanh, x)); }
  backward(dy) { return zip((d, y) => d * (1 - y * y), dy, this.y); }
};

layers.SiLU = class SiLU extends Layer {
  static formula = "y = x σ(x)";
  forward(x) { return map((v) => v * sigmoid(v), (this.x = x)); }
  backward(dy) { return zip((d, v) => d * sigmoid(v) * (1 + v * (1 - sigmoid(v))), dy, this.x); }
};

layers.Softplus = class Softplus extends Layer {
  static formula = "y = log(1 + exp(β x)) / β";
  forward(x) {
    this.x = x;
    return map((v) => {
      const z = this.beta * v;
      return z > this.threshold ? v : Math.log1p(Math.exp(z)) / this.beta;
    }, x);
  }
  backward(dy) { return zip((d, v) => d * sigmoid(this.beta * v), dy, this.x); }
};
