// LayerNorm of rows x (N, D), each in a warp or in a block.

// x̂ = (x - mean) r with r = 1/√(var + eps), y = w x̂ + b; w and b may be absent (has_w, has_b = 0). With
// an array to add, h = x + added takes the place of x.
// Twins: firstlight.nn.LayerNorm.forward, forward_sum. Floor: N · D numbers read and written, with a sum twice.
extern "C" __global__ void layer_norm(
    const Stored* x, const Stored* added, Stored* h, const Real* w, const Real* b, Stored* y, Real* means,
    Real* rstd, Real eps, int rows, int width, int has_added, int has_w, int has_b) {
    int row = row_of_thread();
    if (row >= rows) return;
    size_t start = (size_t)row * width;
    if (has_added) {  // a thread reads later what it writes here
        for (int d = threadIdx.x; d < width; d += blockDim.x) h[start + d] = x[start + d] + added[start + d];
        x = h;
    }
    Real sum = 0;
    for (int d = threadIdx.x; d < width; d += blockDim.x) sum += x[start + d];
    Real mean = row_sum(sum) / width, squares = 0;
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        Real difference = x[start + d] - mean;
        squares += difference * difference;
    }
    Real r = 1 / sqrt(row_sum(squares) / width + eps);
    if (threadIdx.x == 0) means[row] = mean, rstd[row] = r;
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        Real x_hat = (x[start + d] - mean) * r;
        y[start + d] = has_w ? x_hat * w[d] + (has_b ? b[d] : Real(0)) : x_hat;
    }
}

// dx = r (g - mean(g) - x̂ mean(g x̂)) + dh with g = dy w and dh, if there is one, and the sums of
// dy x̂ and of dy over a chunk of rows, parts[chunk, :]. A block takes a chunk: its rows first, and
// then its columns, which it reads from the cache.
// Twins: firstlight.nn.LayerNorm.backward, backward_sum. Floor: 2 N · D numbers read, 3 with dh; N · D written.
extern "C" __global__ void layer_norm_backward(
    const Stored* dy, const Stored* x, const Stored* dh, const Real* means, const Real* rstd, const Real* w,
    Stored* dx, Real* parts, int rows, int width, int chunk, int has_dh, int has_w, int has_b) {
    int first = blockIdx.x * chunk, stop = min(first + chunk, rows);
    for (int row = first + threadIdx.y; row < stop; row += blockDim.y) {
        size_t start = (size_t)row * width;
        Real mean = means[row], r = rstd[row], sum = 0, dot = 0;
        for (int d = threadIdx.x; d < width; d += blockDim.x) {
            Real g = dy[start + d] * (has_w ? w[d] : Real(1));
            sum += g;
            dot += g * (x[start + d] - mean) * r;
        }
        Real shift = row_sum(sum) / width, stretch = row_sum(dot) / width;
        for (int d = threadIdx.x; d < width; d += blockDim.x) {
            Real g = dy[start + d] * (has_w ? w[d] : Real(1));
            Real change = r * (g - shift - (x[start + d] - mean) * r * stretch);
            dx[start + d] = has_dh ? dh[start + d] + change : change;
        }
    }
    int thread = threadIdx.y * blockDim.x + threadIdx.x;
    for (int d = thread; has_w && first < rows && d < width; d += blockDim.x * blockDim.y) {
        Real product = 0, sum = 0;
        for (int row = first; row < stop; row++) {
            size_t i = (size_t)row * width + d;
            Real slope = dy[i];
            product += slope * (x[i] - means[row]) * rstd[row];
            sum += slope;
        }
        size_t at = (size_t)blockIdx.x * (1 + has_b) * width + d;
        parts[at] = product;
        if (has_b) parts[at + width] = sum;
    }
}
