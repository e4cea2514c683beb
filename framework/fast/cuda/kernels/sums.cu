// Sums over rows, in two stages without atomics: chunks of rows first, then the chunks' sums, by the
// same kernel.

// out[chunk, c] = Σ a[row, c] over the chunk's rows; added to out if adds.
// A block takes WARP columns; its warps take turns with the rows of the chunk, and their sums are
// added in their order. Columns from split on belong to more. Twin: add_column_sums.
// Floor: rows · columns numbers read.
extern "C" __global__ void column_sums(
    const Stored* a, Real* out, Real* more, int split, int rows, int columns, int chunk, int adds) {
    __shared__ Real parts[THREADS / WARP][WARP];
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    int start = blockIdx.y * chunk, stop = min(start + chunk, rows);
    Real sum = 0;
    for (int row = start + threadIdx.y; c < columns && row < stop; row += blockDim.y)
        sum += a[(size_t)row * columns + c];
    parts[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || c >= columns) return;
    for (int i = 1; i < blockDim.y; i++) sum += parts[i][threadIdx.x];
    Real* at = c < split ? out + (size_t)blockIdx.y * columns + c : more + c - split;
    *at = adds ? *at + sum : sum;
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
