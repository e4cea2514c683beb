// GELU: x times the normal distribution's cumulative function.
//
//   y = x Φ(x) = x (1 + erf(x/√2)) / 2
//   approximate "tanh":  y = x σ(2u),  u = √(2/π) (x + 0.044715 x³)
//
//   dx = dy (Φ(x) + x φ(x))            φ(x) = exp(-x²/2) / √(2π)

// Hastings' formula (Abramowitz and Stegun, 7.1.26), as in Python for float32.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - p * Math.exp(-x * x));
}

layers.GELU = class GELU extends Layer {
  static formula = "y = x Φ(x)";
  forward(x) {
    this.x = x;
    if (this.approximate === "tanh") {
      const u = (v) => Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3);
      return map((v) => v / (1 + Math.exp(-2 * u(Math.max(-30, Math.min(30, v))))), x);
    }
    return map((v) => v * (1 + erf(v / Math.SQRT2)) / 2, x);
  }

  backward(dy) { // also of "tanh", which is as close as 0.001
    const slope = (v) => (1 + erf(v / Math.SQRT2)) / 2 + v * Math.exp(-v * v / 2) / Math.sqrt(2 * Math.PI);
    return zip((d, v) => d * slope(v), dy, this.x);
  }
};
