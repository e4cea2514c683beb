// Flatten and Reshape: the same numbers in another shape.

layers.Flatten = class Flatten extends Layer {
  forward(x) {
    const start = (this.start_dim + x.ndim) % x.ndim;
    return reshape(x, ...x.shape.slice(0, start), product(x.shape.slice(start)));
  }
};

layers.Reshape = class Reshape extends Layer {
  forward(x) { // x (N, ...)
    const size = product(x.shape.slice(1)), known = product(this.shape.filter((n) => n !== -1));
    return reshape(x, x.shape[0], ...this.shape.map((n) => (n === -1 ? size / known : n)));
  }
};
