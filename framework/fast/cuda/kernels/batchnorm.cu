// BatchNorm of rows x (n, C). A block takes WARP channels and a chunk of rows; its warps take turns
// with the rows of the chunk.

// Sum of the values of a channel's threads; every thread gets it.
__device__ __forceinline__ Real channel_sum(Real value) {
    __shared__ Real parts[THREADS / WARP][WARP];
    __syncthreads();  // all threads have read parts
    parts[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    value = 0;
    for (int i = 0; i < THREADS / WARP; i++) value += parts[i][threadIdx.x];
    return value;
}

// parts[chunk] = means m_b (C) of the chunk's rows, and Σ (x - m_b)² (C).
// Twin: firstlight.fast.blocked.channels.channel_moments. Floor: x read.
extern "C" __global__ void moment_parts(
    const Stored* x, Real* parts, int rows, int channels, int chunk) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * chunk;
    int stop = c < channels ? min(first + chunk, rows) : 0;
    Real sum = 0, squares = 0;
    for (int row = first + threadIdx.y; row < stop; row += blockDim.y)
        sum += x[(size_t)row * channels + c];
    Real mean = channel_sum(sum) / max(1, stop - first);
    for (int row = first + threadIdx.y; row < stop; row += blockDim.y) {
        Real difference = x[(size_t)row * channels + c] - mean;
        squares += difference * difference;
    }
    squares = channel_sum(squares);
    if (threadIdx.y > 0 || c >= channels) return;
    size_t at = (size_t)blockIdx.y * 2 * channels + c;
    parts[at] = mean, parts[at + channels] = squares;
}

// mean = Σ n_b m_b / n and variance = (Σ s_b + n_b (m_b - mean)²) / n of the chunks' n_b, m_b, s_b;
// and the running statistics, if tracks. Twin: channel_moments, and BatchNorm.track. Floor: none.
extern "C" __global__ void whole_moments(
    const Real* parts, Real* means, Real* vars, Real* running_mean, Real* running_var, Real momentum,
    int rows, int channels, int chunk, int tracks) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, exists = c < channels;
    const Real* at = parts + c;
    Real sum = 0, squares = 0;
    for (int i = threadIdx.y; exists && i * chunk < rows; i += blockDim.y)
        sum += at[(size_t)i * 2 * channels] * min(chunk, rows - i * chunk);
    Real mean = channel_sum(sum) / rows;
    for (int i = threadIdx.y; exists && i * chunk < rows; i += blockDim.y) {
        Real difference = at[(size_t)i * 2 * channels] - mean;
        squares += difference * difference * min(chunk, rows - i * chunk);
        squares += at[(size_t)(i * 2 + 1) * channels];
    }
    Real var = channel_sum(squares) / rows;
    if (threadIdx.y > 0 || !exists) return;
    means[c] = mean, vars[c] = var;
    if (!tracks) return;
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean;
    running_var[c] = (1 - momentum) * running_var[c] + momentum * (var * rows / (rows - 1));
}

// y = w x̂ + b with x̂ = (x - mean) r and r = 1/√(var + eps); w and b may be absent.
// Twin: firstlight.nn.BatchNorm.forward. Floor: x read, y written.
extern "C" __global__ void batch_norm(
    const Stored* x, const Real* means, const Real* vars, const Real* w, const Real* b, Stored* y,
    Real eps, int rows, int channels, int chunk, int has_w, int has_b) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * chunk;
    if (c >= channels) return;
    Real mean = means[c], scale = 1 / sqrt(vars[c] + eps), shift = has_b ? b[c] : Real(0);
    if (has_w) scale *= w[c];
    for (int row = first + threadIdx.y; row < min(first + chunk, rows); row += blockDim.y) {
        size_t i = (size_t)row * channels + c;
        y[i] = (x[i] - mean) * scale + shift;
    }
}

// parts[chunk] = Σ dy x̂ (C) and Σ dy (C) over the chunk's rows.
// Twin: firstlight.nn.BatchNorm.backward, dw and db. Floor: x and dy read.
extern "C" __global__ void gradient_parts(
    const Stored* dy, const Stored* x, const Real* means, const Real* vars, Real* parts, Real eps,
    int rows, int channels, int chunk) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * chunk;
    int stop = c < channels ? min(first + chunk, rows) : 0;
    Real mean = c < channels ? means[c] : Real(0), product = 0, sum = 0;
    for (int row = first + threadIdx.y; row < stop; row += blockDim.y) {
        size_t i = (size_t)row * channels + c;
        product += dy[i] * (x[i] - mean);
        sum += dy[i];
    }
    product = channel_sum(product);
    sum = channel_sum(sum);
    if (threadIdx.y > 0 || c >= channels) return;
    size_t at = (size_t)blockIdx.y * 2 * channels + c;
    parts[at] = product / sqrt(vars[c] + eps), parts[at + channels] = sum;
}

// dx = w r (dy - db/n - x̂ dw/n), or w r dy if n is 0; sums holds dw and db of the whole batch.
// Twin: firstlight.nn.BatchNorm.backward. Floor: x and dy read, dx written.
extern "C" __global__ void batch_norm_dx(
    const Stored* dy, const Stored* x, const Real* means, const Real* vars, const Real* w,
    const Real* sums, Stored* dx, Real eps, Real n, int rows, int channels, int chunk, int has_w) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * chunk;
    if (c >= channels) return;
    Real mean = means[c], r = 1 / sqrt(vars[c] + eps), scale = has_w ? w[c] * r : r;
    Real shift = n ? sums[channels + c] / n : Real(0), slope = n ? sums[c] / n * r : Real(0);
    for (int row = first + threadIdx.y; row < min(first + chunk, rows); row += blockDim.y) {
        size_t i = (size_t)row * channels + c;
        dx[i] = scale * (n ? dy[i] - shift - (x[i] - mean) * slope : Real(dy[i]));
    }
}
