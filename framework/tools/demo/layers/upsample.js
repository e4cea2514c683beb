// Upsample: images of another size; each new pixel is the nearest old one, or a mean of neighbours.
//
//   y_i = Σ_j a_ij x_j along rows, then along columns
//   bilinear: a_ij = 1 - |p_i - j| for the two old pixels j next to the point p_i

layers.Upsample = class Upsample extends Layer {
  forward(x) { // x (N, H, W, C)
    return this.along(2, this.along(1, x));
  }

  along(axis, x) {
    const old = x.shape[axis], size = this.newSize(axis - 1, old);
    const y = zeros(x.shape.map((n, k) => (k === axis ? size : n)));
    const outer = product(x.shape.slice(0, axis)), inner = product(x.shape.slice(axis + 1));
    for (let n = 0; n < outer; n++) {
      for (let i = 0; i < size; i++) {
        const p = this.point(i, axis - 1, old, size), j = Math.floor(p), f = p - j;
        const from = (n * old + j) * inner, to = (n * size + i) * inner;
        for (let k = 0; k < inner; k++) {
          const next = f > 0 ? f * x.data[from + inner + k] : 0;
          y.data[to + k] = (1 - f) * x.data[from + k] + next;
        }
      }
    }
    return y;
  }

  newSize(axis, old) { return this.size ? this.size[axis] : Math.floor(old * this.scale_factor[axis]); }

  // Where the new pixel i lies among the old ones.
  point(i, axis, old, size) {
    const scale = this.scale_factor ? 1 / this.scale_factor[axis] : old / size;
    let p = (i + 0.5) * scale - 0.5;
    if (old === size) p = i;
    else if (this.mode === "nearest") p = Math.floor(Math.fround(i * Math.fround(size === 2 * old ? 0.5 : scale)));
    else if (this.align_corners) p = i * (old - 1) / Math.max(size - 1, 1);
    return Math.min(old - 1, Math.max(0, p));
  }
};
