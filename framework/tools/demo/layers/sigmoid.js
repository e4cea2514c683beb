// Sigmoid, Tanh, SiLU, Softplus.
//
//   σ(x) = 1 / (1 + exp(-x))
//   y = σ(x)     y = tanh(x)     y = x σ(x)     y = log(1 + exp(β x)) / β

layers.Sigmoid = class Sigmoid extends Layer {
  forward(x) { return map(sigmoid, x); }
};

layers.Tanh = class Tanh extends Layer {
  forward(x) { return map(Math.tanh, x); }
};

layers.SiLU = class SiLU extends Layer {
  forward(x) { return map((v) => v * sigmoid(v), x); }
};

layers.Softplus = class Softplus extends Layer {
  forward(x) {
    return map((v) => {
      const z = this.beta * v;
      return z > this.threshold ? v : Math.log1p(Math.exp(z)) / this.beta;
    }, x);
  }
};
