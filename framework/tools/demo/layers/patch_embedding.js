// PatchEmbedding: an image as a sequence of patches, each mapped by the same matrix.
//
//   y_p = x_p Wᵀ + b            x_p (P·P·C,), patches row by row

layers.PatchEmbedding = class PatchEmbedding extends Layer {
  static formula = "y = patch Wᵀ + b";
  forward(x) { // x (N, H, W, C)
    const [N, h, w, C] = x.shape, P = this.patch_size;
    const grid = transpose(reshape(x, N, h / P, P, w / P, P, C), [0, 1, 3, 2, 4, 5]); // (N, H/P, W/P, P, P, C)
    return this.proj.forward(reshape(grid, N, (h / P) * (w / P), P * P * C)); // (N, HW/P², D)
  }
};
