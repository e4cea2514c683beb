// LayerNorm; one block a row of x (N, D).

// x̂ = (x - mean) r with r = 1/√(var + eps), y = w x̂ + b; w and b may be absent (has_w, has_b = 0).
// Twin: BlockedLayerNorm.layer_norm. Floor: N · D Reals read, 2 N · D written.
extern "C" __global__ void layer_norm(
    const Real* x, const Real* w, const Real* b, Real* y, Real* x_hat, Real* rstd, Real eps,
    int width, int has_w, int has_b) {
    size_t row = blockIdx.x, start = row * width;
    Real sum = 0;
    for (int d = threadIdx.x; d < width; d += THREADS) sum += x[start + d];
    Real mean = block_sum(sum) / width, squares = 0;
    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real difference = x[start + d] - mean;
        squares += difference * difference;
    }
    Real r = 1 / sqrt(block_sum(squares) / width + eps);
    if (threadIdx.x == 0) rstd[row] = r;
    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real h = (x[start + d] - mean) * r;
        x_hat[start + d] = h;
        if (has_w) y[start + d] = h * w[d] + (has_b ? b[d] : Real(0));
    }
}

// dx = r (g - mean(g) - x̂ mean(g x̂)) with g = dy w. dw and db are sums over rows: sums.cu.
// Twin: BlockedLayerNorm.layer_norm_backward. Floor: 2 N · D Reals read, N · D written.
extern "C" __global__ void layer_norm_dx(
    const Real* dy, const Real* x_hat, const Real* rstd, const Real* w, Real* dx, int width,
    int has_w) {
    size_t row = blockIdx.x, start = row * width;
    Real sum = 0, dot = 0;
    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real g = dy[start + d] * (has_w ? w[d] : Real(1));
        sum += g;
        dot += g * x_hat[start + d];
    }
    Real shift = block_sum(sum) / width, stretch = block_sum(dot) / width;
    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real g = dy[start + d] * (has_w ? w[d] : Real(1));
        dx[start + d] = rstd[row] * (g - shift - x_hat[start + d] * stretch);
    }
}
