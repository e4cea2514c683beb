// GroupNorm and InstanceNorm2d: each sample's channels, in groups or one by one, over all pixels.
//
//   y = w (x - mean) / √(var + eps) + b

function normalized(x, axes, eps) {
  const centred = subtract(x, mean(x, axes, true));
  const variance = mean(map((v) => v * v, centred), axes, true);
  return multiply(centred, map((v) => 1 / Math.sqrt(v + eps), variance));
}

layers.GroupNorm = class GroupNorm extends Layer {
  static formula = "y = w (x - mean) / √(var + eps) + b";
  forward(x) { // x (N, ..., C)
    const G = this.num_groups, N = x.shape[0], C = x.shape[x.ndim - 1];
    const groups = reshape(x, N, x.size / N / C, G, C / G); // (N, P, G, C/G)
    return this.affine(reshape(normalized(groups, [1, 3], this.eps), ...x.shape));
  }
};

layers.InstanceNorm2d = class InstanceNorm2d extends Layer {
  static formula = "y = w (x - mean) / √(var + eps) + b";
  forward(x) { // x (N, H, W, C)
    if (!this.running_mean) return this.affine(normalized(x, [1, 2], this.eps));
    const r = map((v) => 1 / Math.sqrt(v + this.eps), this.running_var); // (C,)
    return this.affine(multiply(subtract(x, this.running_mean), r));
  }
};
