// LayerNorm of rows x (N, D), each in a warp or in a block.

// x̂ = (x - mean) r with r = 1/√(var + eps), y = w x̂ + b; w and b may be absent (has_w, has_b = 0).
// Twin: BlockedLayerNorm.layer_norm. Floor: N · D Reals read, 2 N · D written.
extern "C" __global__ void layer_norm(
    const Real* x, const Real* w, const Real* b, Real* y, Real* x_hat, Real* rstd, Real eps,
    int rows, int width, int has_w, int has_b) {
    int row = row_of_thread();
    if (row >= rows) return;
    size_t start = (size_t)row * width;
    Real sum = 0;
    for (int d = threadIdx.x; d < width; d += blockDim.x) sum += x[start + d];
    Real mean = row_sum(sum) / width, squares = 0;
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        Real difference = x[start + d] - mean;
        squares += difference * difference;
    }
    Real r = 1 / sqrt(row_sum(squares) / width + eps);
    if (threadIdx.x == 0) rstd[row] = r;
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        Real h = (x[start + d] - mean) * r;
        x_hat[start + d] = h;
        if (has_w) y[start + d] = h * w[d] + (has_b ? b[d] : Real(0));
    }
}

// dx = r (g - mean(g) - x̂ mean(g x̂)) with g = dy w, and the sums of dy x̂ and of dy over a chunk of
// rows, dw[chunk, :] and db[chunk, :]. A block takes a chunk: its rows first, and then its columns,
// which it reads from the cache.
// Twin: BlockedLayerNorm.layer_norm_backward. Floor: 2 N · D Reals read, N · D written.
extern "C" __global__ void layer_norm_backward(
    const Real* dy, const Real* x_hat, const Real* rstd, const Real* w, Real* dx, Real* dw, Real* db,
    int rows, int width, int chunk, int has_w, int has_b) {
    int first = blockIdx.x * chunk, stop = min(first + chunk, rows);
    for (int row = first + threadIdx.y; row < stop; row += blockDim.y) {
        size_t start = (size_t)row * width;
        Real sum = 0, dot = 0;
        for (int d = threadIdx.x; d < width; d += blockDim.x) {
            Real g = dy[start + d] * (has_w ? w[d] : Real(1));
            sum += g;
            dot += g * x_hat[start + d];
        }
        Real shift = row_sum(sum) / width, stretch = row_sum(dot) / width;
        for (int d = threadIdx.x; d < width; d += blockDim.x) {
            Real g = dy[start + d] * (has_w ? w[d] : Real(1));
            dx[start + d] = rstd[row] * (g - shift - x_hat[start + d] * stretch);
        }
    }
    int thread = threadIdx.y * blockDim.x + threadIdx.x;
    for (int d = thread; has_w && first < rows && d < width; d += blockDim.x * blockDim.y) {
        Real product = 0, sum = 0;
        for (int row = first; row < stop; row++) {
            Real slope = dy[(size_t)row * width + d];
            product += slope * x_hat[(size_t)row * width + d];
            sum += slope;
        }
        dw[(size_t)blockIdx.x * width + d] = product;
        if (has_b) db[(size_t)blockIdx.x * width + d] = sum;
    }
}
