// The gradient of a table of vectors: each row of the table collects the dy of its own index. Block
// (v, y) takes row v and chunk y of the indices, and adds in their order; chunks are added by
// sums.cu. Twin: firstlight.fast.blocked.indexing.sum_by_index. Floor: N · D Reals read, V · D written; the
// indices are read V times, from the cache.
extern "C" __global__ void embedding_dw(
    const long long* index, const Stored* dy, Real* partial, int count, int width, int rows,
    int chunk) {
    int v = blockIdx.x, start = blockIdx.y * chunk, stop = min(start + chunk, count);
    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real sum = 0;
        for (int n = start; n < stop; n++)
            if (index[n] == v) sum += dy[(size_t)n * width + d];
        partial[((size_t)blockIdx.y * rows + v) * width + d] = sum;
    }
}

// The same for a large table, added to it: block n takes the row of index n, unless an earlier index
// is the same, and looks for it in the later ones, THREADS at a time. Twin:
// firstlight.fast.blocked.indexing.add_by_index. Floor: N · D Reals read, and U · D read and written
// for U different indices; the indices are read N times, from the cache.
extern "C" __global__ void embedding_add(
    const long long* index, const Stored* dy, Real* table, int count, int width, long long skip) {
    __shared__ bool same[THREADS];
    int n = blockIdx.x, t = threadIdx.x;
    long long v = index[n];
    bool before = v == skip;
    for (int m = t; m < n && !before; m += THREADS) before = index[m] == v;
    if (__syncthreads_or(before)) return;
    for (int start = n; start < count; start += THREADS) {
        same[t] = start + t < count && index[start + t] == v;
        if (__syncthreads_or(same[t]))
            for (int d = t; d < width; d += THREADS)
                for (int m = 0; m < THREADS; m++)
                    if (same[m]) table[(size_t)v * width + d] += dy[(size_t)(start + m) * width + d];
        __syncthreads();  // all threads have read same
    }
}
