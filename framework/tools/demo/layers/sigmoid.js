// Sigmoid, Tanh, SiLU, Softplus.
//
//   σ(x) = 1 / (1 + exp(-x))
//   y = σ(x)     y = tanh(x)     y = x σ(x)     y = log(1 + exp(β x)) / β

layers.Sigmoid = class Sigmoid extends Layer {
  static formula = "y = 1 / (1 + exp(-x))";
  forward(x) { return map(sigmoid, x); }
};

layers.Tanh = class Tanh extends Layer {
  static formula = "y = tanh(x)";
  forward(x) { return map(Math.tanh, x); }
};

layers.SiLU = class SiLU extends Layer {
  static formula = "y = x σ(x)";
  forward(x) { return map((v) => v * sigmoid(v), x); }
};

layers.Softplus = class Softplus extends Layer {
  static formula = "y = log(1 + exp(β x)) / β";
  forward(x) {
    return map((v) => {
      const z = this.beta * v;
      return z > this.threshold ? v : Math.log1p(Math.exp(z)) / this.beta;
    }, x);
  }
};
