// AdaptiveAvgPool2d and GlobalAvgPool2d: means over parts of the image, or over all of it.

layers.AdaptiveAvgPool2d = class AdaptiveAvgPool2d extends Layer {
  forward(x) { // x (N, H, W, C)
    const rows = [];
    const [H, W] = x.shape.slice(1), [oh, ow] = this.output_size, all = [null, null, null];
    const cell = (m, size, out) => [Math.floor(m * size / out), Math.ceil((m + 1) * size / out), null];
    for (let m = 0; m < oh; m++) {
      const cells = [];
      for (let n = 0; n < ow; n++) {
        cells.push(mean(take(x, [all, cell(m, H, oh), cell(n, W, ow)]), [1, 2], true)); // (N, 1, 1, C)
      }
      rows.push(concatenate(cells, 2)); // (N, 1, ow, C)
    }
    return concatenate(rows, 1); // (N, oh, ow, C)
  }
};

layers.GlobalAvgPool2d = class GlobalAvgPool2d extends Layer {
  static formula = "y = mean over all pixels";
  forward(x) { return mean(x, [1, 2]); } // (N, H, W, C) -> (N, C)
};
