// SinusoidalPositions and RotaryPositions: waves tell positions apart.
//
//   angle of position t and pair i = t base^(-2i/C)
//   y = x + (sin, cos, sin, cos, ...)
//   y = (low cos - high sin, high cos + low sin)            low, high: the halves of x

function angle(t, i, width, base) { return t * base ** (-2 * i / width); }

layers.SinusoidalPositions = class SinusoidalPositions extends Layer {
  forward(x) { // x (..., T, C)
    const C = this.embed_dim, T = x.shape[x.ndim - 2], p = zeros([T, C]), start = this.memory?.length ?? 0;
    for (let t = 0; t < T; t++) {
      for (let i = 0; i < C / 2; i++) {
        p.data[t * C + 2 * i] = Math.sin(angle(start + t, i, C, 10000));
        p.data[t * C + 2 * i + 1] = Math.cos(angle(start + t, i, C, 10000));
      }
    }
    return add(x, p);
  }
};

layers.RotaryPositions = class RotaryPositions extends Layer {
  forward(x) { // x (..., T, D)
    const D = this.head_dim, T = x.shape[x.ndim - 2], half = D / 2, y = zeros(x.shape);
    const start = this.memory?.length ?? 0;
    for (let n = 0; n < x.size / D; n++) {
      for (let i = 0; i < half; i++) {
        const a = angle(start + n % T, i, D, this.base), low = x.data[n * D + i], high = x.data[n * D + half + i];
        y.data[n * D + i] = low * Math.cos(a) - high * Math.sin(a);
        y.data[n * D + half + i] = high * Math.cos(a) + low * Math.sin(a);
      }
    }
    return y;
  }
};
