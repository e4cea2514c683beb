// FeedForward and SwiGLU: two linear layers with an activation between, for each position.
//
//   y = GELU(x W1ᵀ + b1) W2ᵀ + b2
//   y = (SiLU(x W1ᵀ) ∘ x W3ᵀ) W2ᵀ

layers.FeedForward = class FeedForward extends Layer {
  static formula = "y = GELU(x W1ᵀ + b1) W2ᵀ + b2";
  forward(x) { // x (..., C)
    const h = this.activation.forward(this.linear1.forward(x)); // (..., hidden)
    return this.linear2.forward(h);
  }
};

layers.SwiGLU = class SwiGLU extends Layer {
  static formula = "y = (SiLU(x W1ᵀ) ∘ x W3ᵀ) W2ᵀ";
  forward(x) { // x (..., C)
    const gate = this.activation.forward(this.linear1.forward(x)); // (..., hidden)
    return this.linear2.forward(multiply(gate, this.linear3.forward(x)));
  }
};
