// Sums over rows, in two stages without atomics: chunks of rows first, then the chunks' sums, by the
// same kernel. Block (x, y) takes 256 columns of chunk y; neighbours read neighbours.

// partial[chunk, c] = Σ x[row, c] over the chunk's rows. Twin: channel_sums.
// Floor: rows · columns Reals read.
extern "C" __global__ void column_sums(
    const Real* x, Real* partial, int rows, int columns, int chunk) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= columns) return;
    int start = blockIdx.y * chunk, stop = min(start + chunk, rows);
    Real sum = 0;
    for (int row = start; row < stop; row++) sum += x[(size_t)row * columns + c];
    partial[(size_t)blockIdx.y * columns + c] = sum;
}

// partial[chunk, c] = Σ a[row, c] b[row, c]. Twin: channel_dots.
// Floor: 2 rows · columns Reals read.
extern "C" __global__ void column_dots(
    const Real* a, const Real* b, Real* partial, int rows, int columns, int chunk) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= columns) return;
    int start = blockIdx.y * chunk, stop = min(start + chunk, rows);
    Real sum = 0;
    for (int row = start; row < stop; row++) {
        size_t i = (size_t)row * columns + c;
        sum += a[i] * b[i];
    }
    partial[(size_t)blockIdx.y * columns + c] = sum;
}

// partial[i] = Σ x² over each threads-th x from i on, in double: no float's square is too large.
// Twin: sum_of_squares. Floor: size Reals read.
extern "C" __global__ void square_sums(const Real* x, double* partial, long long size) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    long long threads = (long long)gridDim.x * blockDim.x;
    double sum = 0;
    for (long long j = i; j < size; j += threads) sum += (double)x[j] * (double)x[j];
    partial[i] = sum;
}
