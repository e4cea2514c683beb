// ZeroPad2d: zeros around images; padding (left, right, top, bottom).

layers.ZeroPad2d = class ZeroPad2d extends Layer {
  forward(x) { // x (N, H, W, C)
    const sides = typeof this.padding === "number" ? Array(4).fill(this.padding) : this.padding;
    const [left, right, top, bottom] = sides, [N, h, w, C] = x.shape, all = [null, null, null];
    const y = zeros([N, top + h + bottom, left + w + right, C]);
    return put(y, [all, [top, top + h, null], [left, left + w, null]], x);
  }
};
