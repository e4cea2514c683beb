// ConvTranspose2d: each pixel is spread over a window of a larger image.
//
//   y = windows of x W added up, + b            x (N, H, W, C), W (C, kh, kw, O)

layers.ConvTranspose2d = class ConvTranspose2d extends Layer {
  forward(x) { // x (N, H, W, C)
    const [N, h, w, C] = x.shape, { kernel, stride, dilation, before, after } = this.window;
    const G = this.groups, o = this.weight.shape[3], O = o * G;
    const [H, W] = [h, w].map((n, k) =>
      (n - 1) * stride[k] + (kernel[k] - 1) * dilation[k] + 1 - before[k] - after[k]);
    const y = new Arr([N, H, W, O], new Float64Array(N * H * W * O));
    taps(this.window, N, H, W, (n, m, p, i, j, row, column) => {
      if (m >= h || p >= w) return;
      for (let c = 0; c < C; c++) {
        const v = x.data[((n * h + m) * w + p) * C + c], group = Math.floor(c / (C / G));
        const from = ((c * kernel[0] + i) * kernel[1] + j) * o, to = ((n * H + row) * W + column) * O + group * o;
        for (let k = 0; k < o; k++) y.data[to + k] += v * this.weight.data[from + k];
      }
    });
    const rounded = new Arr(y.shape, Float32Array.from(y.data));
    return this.bias ? add(rounded, this.bias) : rounded;
  }
};
