// Linear: matrix product and bias.
//
//   y = x Wᵀ + b            x (..., I), W (O, I), b (O,), y (..., O)

layers.Linear = class Linear extends Layer {
  static formula = "y = x Wᵀ + b";
  forward(x) { // x (..., I)
    const y = rowsTimes(x, this.weight); // (..., O)
    return this.bias ? add(y, this.bias) : y;
  }
};
