// MaxPool2d and AvgPool2d: the largest pixel of each window, or its mean.

layers.MaxPool2d = class MaxPool2d extends Layer {
  static formula = "y = largest pixel of each window";
  forward(x) { // x (N, H, W, C)
    const [N, h, w, C] = x.shape, [oh, ow] = positions(this.window, h, w);
    const y = full([N, oh, ow, C], -Infinity);
    taps(this.window, N, h, w, (n, m, o, i, j, row, column) => {
      const from = ((n * h + row) * w + column) * C, to = ((n * oh + m) * ow + o) * C;
      for (let c = 0; c < C; c++) y.data[to + c] = Math.max(y.data[to + c], x.data[from + c]);
    });
    return y;
  }
};

layers.AvgPool2d = class AvgPool2d extends Layer {
  static formula = "y = mean of each window";
  forward(x) { // x (N, H, W, C)
    const [N, h, w, C] = x.shape, [oh, ow] = positions(this.window, h, w);
    const total = new Arr([N, oh, ow, C], new Float64Array(N * oh * ow * C));
    taps(this.window, N, h, w, (n, m, o, i, j, row, column) => {
      const from = ((n * h + row) * w + column) * C, to = ((n * oh + m) * ow + o) * C;
      for (let c = 0; c < C; c++) total.data[to + c] += x.data[from + c];
    });
    const rows = this.counted(0, h, oh), columns = this.counted(1, w, ow);
    return new Arr(total.shape, Float32Array.from(total.data, (sum, i) => {
      const pixel = Math.floor(i / C) % (oh * ow);
      return sum / (rows[Math.floor(pixel / ow)] * columns[pixel % ow]);
    }));
  }

  // How many pixels of an axis each window counts; with zeros around the image, if they are included.
  counted(axis, size, out) {
    const { kernel, stride, before, after } = this.window, all = this.count_include_pad;
    const first = all ? -before[axis] : 0, end = all ? size + after[axis] : size;
    return Array.from({ length: out }, (_, m) => {
      const start = m * stride[axis] - before[axis];
      return Math.min(start + kernel[axis], end) - Math.max(start, first);
    });
  }
};
