// The gradient of a table of vectors: each row of the table collects the dy of its own index. Block
// (v, y) takes row v and chunk y of the indices, and adds in their order; chunks are added by
// sums.cu. Twin: firstlight.fast.blocked.indexing.sum_by_index. Floor: N · D Reals read, V · D written; the
// indices are read V times, from the cache.
extern "C" __global__ void embedding_dw(
    const long long* index, const Real* dy, Real* partial, int count, int width, int rows,
    int chunk) {
    int v = blockIdx.x, start = blockIdx.y * chunk, stop = min(start + chunk, count);
    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real sum = 0;
        for (int n = start; n < stop; n++)
            if (index[n] == v) sum += dy[(size_t)n * width + d];
        partial[((size_t)blockIdx.y * rows + v) * width + d] = sum;
    }
}
