// Linear: matrix product and bias.
//
//   y = x Wᵀ + b            x (..., I), W (O, I), b (O,), y (..., O)
//
//   dx = dy W            dW = dyᵀ x            db = Σ_n dy

layers.Linear = class Linear extends Layer {
  static formula = "y = x Wᵀ + b";
  forward(x) { // x (..., I)
    this.x = x;
    const y = rowsTimes(x, this.weight); // (..., O)
    return this.bias ? add(y, this.bias) : y;
  }

  backward(dy) { // dy (N, O)
    const dyT = transpose(dy, [1, 0]); // (O, N)
    this.grad = { weight: matmul(dyT, this.x), bias: sum(dy, [0]) }; // (O, I), (O,)
    return matmul(dy, this.weight); // (N, I)
  }
};
