// One position of generation, for each head of each sample a block of THREADS: k and v of projected
// (N, 3, heads, width) are written to the cache, at *place, and q attends to all rows up to there.
// Each warp reads every eighth row and keeps its largest score, the sum of exponentials, and the
// sum of values, which are put together at the end. place is on the device, because a graph repeats
// numbers of the host.
// Twin: firstlight.nn.MultiHeadAttention.extend. Floor: 2 place · width numbers read for each head.
#define WARPS (THREADS / WARP)
#define MOST 128  // numbers of a head
#define LOWEST (sizeof(Real) == 4 ? Real(-1.7e38) : Real(-8.9e307))

extern "C" __global__ void attend_step(
    const Stored* projected, Stored* keys, Stored* values, Stored* y, const long long* place, Real scale,
    int heads, int width, int capacity, long long sample, long long head, long long row) {
    __shared__ Real tops[WARPS], totals[WARPS], parts[WARPS][MOST];
    int n = blockIdx.x / heads, h = blockIdx.x % heads;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    long long own = *place;
    if (own >= capacity) return;
    const Stored* q = projected + ((size_t)n * 3 * heads + h) * width;
    const Stored *k = q + heads * width, *v = k + heads * width;
    Stored *rows_k = keys + n * sample + h * head, *rows_v = values + n * sample + h * head;
    for (int d = threadIdx.x; d < width; d += THREADS) {
        rows_k[own * row + d] = k[d];
        rows_v[own * row + d] = v[d];
    }
    __syncthreads();

    Real query[MOST / WARP], sum[MOST / WARP];
    for (int part = 0; part < MOST / WARP; part++) {
        int d = lane + part * WARP;
        query[part] = d < width ? q[d] * scale : 0;
        sum[part] = 0;
    }
    Real top = LOWEST, total = 0;
    for (long long t = warp; t <= own; t += WARPS) {
        Real score = 0;
        for (int part = 0; part < MOST / WARP; part++) {
            int d = lane + part * WARP;
            if (d < width) score += query[part] * rows_k[t * row + d];
        }
        for (int d = WARP / 2; d > 0; d /= 2) score += __shfl_xor_sync(0xffffffffu, score, d);
        Real next = max(top, score), shrink = exp(top - next), weight = exp(score - next);
        top = next;
        total = total * shrink + weight;
        for (int part = 0; part < MOST / WARP; part++) {
            int d = lane + part * WARP;
            if (d < width) sum[part] = sum[part] * shrink + weight * rows_v[t * row + d];
        }
    }
    if (lane == 0) {
        tops[warp] = top;
        totals[warp] = total;
    }
    for (int part = 0; part < MOST / WARP; part++) parts[warp][lane + part * WARP] = sum[part];
    __syncthreads();

    for (int d = threadIdx.x; d < width; d += THREADS) {
        Real highest = LOWEST, all = 0, value = 0;
        for (int w = 0; w < WARPS; w++) highest = max(highest, tops[w]);
        for (int w = 0; w < WARPS; w++) {
            Real factor = exp(tops[w] - highest);
            all += factor * totals[w];
            value += factor * parts[w][d];
        }
        y[((size_t)n * heads + h) * width + d] = value / max(all, Real(1));
    }
}
