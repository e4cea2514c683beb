// Conv2d: the same weights on every window of an image.
//
//   y = patches Wᵀ + b            patches (N·H'·W', kh·kw·C), W (O, kh·kw·C)
//
// A patch is the window of the image at one output pixel, zeros outside. Channels are last.

// The patches of one group of channels.
function im2col(x, window, groups, group) {
  const [N, h, w, C] = x.shape, [oh, ow] = positions(window, h, w), [kh, kw] = window.kernel;
  const c = C / groups, size = kh * kw * c;
  const patches = zeros([N * oh * ow, size]);
  taps(window, N, h, w, (n, m, o, i, j, y, x_) => {
    const from = ((n * h + y) * w + x_) * C + group * c;
    const to = ((n * oh + m) * ow + o) * size + (i * kw + j) * c;
    for (let k = 0; k < c; k++) patches.data[to + k] = x.data[from + k];
  });
  return patches;
}

layers.Conv2d = class Conv2d extends Layer {
  static formula = "y = patches Wᵀ + b";
  forward(x) { // x (N, H, W, C)
    const [oh, ow] = positions(this.window, x.shape[1], x.shape[2]), G = this.groups;
    const O = this.weight.shape[0], size = product(this.weight.shape.slice(1));
    const parts = [];
    for (let g = 0; g < G; g++) {
      const W = new Arr([O / G, size], this.weight.data.subarray(g * O / G * size, (g + 1) * O / G * size));
      const y = rowsTimes(im2col(x, this.window, G, g), W); // (N·H'·W', O/G)
      parts.push(reshape(y, x.shape[0], oh, ow, O / G));
    }
    const y = G === 1 ? parts[0] : concatenate(parts, 3); // (N, H', W', O)
    return this.bias ? add(y, this.bias) : y;
  }
};
