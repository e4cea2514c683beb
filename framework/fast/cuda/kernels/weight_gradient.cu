// Gradient of a convolution's kernels without a matrix of patches: as in implicit.cu, but the sum is
// over the places of windows, in chunks whose sums are added afterwards in their order.

#include "product_tile.cuh"

// dw[o, i, j, c] = Σ dy[place, o] x[pixel of the place under tap (i, j), c] and db[o] = Σ dy[place, o]
// over a chunk of places, written to part number blockIdx.z / groups of dw and db, which lie pitch
// numbers apart; or added to them, if there is one part. quads: 1 for x, 2 for dy.
// Twin: firstlight.fast.blocked.convolution.BlockedSums.add_weight_gradient.
// Floor: x and dy read, the parts written; 2 · size of dy · kh · kw · C operations.
extern "C" __global__ void weight_gradient(
    const Stored* x, const Stored* dy, Real* dw, Real* db, int places, int channels, int h, int oh,
    int kh, int sh, int dh, int bh, int width, int ow, int kw, int sw, int dil, int bw, int kernels,
    int groups, int chunk, int pitch, int has_db, int adds, int quads) {
    __shared__ Real patches[DEPTH][LINES + 4], slopes[DEPTH][KERNELS + 4];
    int group = blockIdx.z % groups, part = blockIdx.z / groups;
    int size = kh * kw * channels, pixel = channels * groups, all = kernels * groups;
    int first = part * chunk, stop = min(first + chunk, places);
    int k = blockIdx.x * LINES + threadIdx.x % 32 * 4, warp = threadIdx.x / 32;
    int o = blockIdx.y * KERNELS + threadIdx.x % 16 * 4;
    int down[4], right[4], channel[4];  // of four numbers of a patch, which this thread loads
    for (int q = 0; q < 4; q++) {
        int tap = (k + q) / channels;
        down[q] = tap / kw * dh - bh, right[q] = tap % kw * dil - bw;
        channel[q] = group * channels + (k + q) % channels;
    }
    int v = (first + warp) % ow, u = (first + warp) / ow % oh, n = (first + warp) / ow / oh;
    Quad a[2], b;
    auto load = [&](int place) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            bool exists = place + half * 8 + warp < stop;
#pragma unroll
            for (int q = 0; q < 4; q++) {
                int row = u * sh + down[q], column = v * sw + right[q];
                bool inside = exists && k + q < size && row >= 0 && row < h && column >= 0 &&
                    column < width;
                const Stored* at =
                    inside ? x + ((size_t)(n * h + row) * width + column) * pixel + channel[q] : 0;
                if (quads & 1) a[half] = at ? quad(at) : Quad{};
                else a[half].at[q] = at ? Real(*at) : Real(0);
                if (quads & 1) break;
            }
            v += 8 % ow, u += 8 / ow % oh, n += 8 / ow / oh;  // the place of the next load
            if (v >= ow) v -= ow, u++;
            if (u >= oh) u -= oh, n++;
        }
        int line = place + threadIdx.x / 16;
        const Stored* at = line < stop ? dy + (size_t)line * all + group * kernels + o : 0;
        if (quads & 2) b = at && o < kernels ? quad(at) : Quad{};
        else for (int q = 0; q < 4; q++) b.at[q] = at && o + q < kernels ? Real(at[q]) : Real(0);
    };
    Quad sum[8] = {};
    Real total = 0;
    bool sums = has_db && blockIdx.x == 0 && threadIdx.x < KERNELS;  // of dy
    load(first);
    for (int place = first; place < stop; place += DEPTH) {
        __syncthreads();
        for (int half = 0; half < 2; half++)
            *(Quad*)&patches[half * 8 + warp][threadIdx.x % 32 * 4] = a[half];
        *(Quad*)&slopes[threadIdx.x / 16][threadIdx.x % 16 * 4] = b;
        __syncthreads();
        if (place + DEPTH < stop) load(place + DEPTH);
        multiply_tile(patches, slopes, sum);
        for (int m = 0; sums && m < DEPTH; m++) total += slopes[m][threadIdx.x];
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int number = blockIdx.x * LINES + line_of(i);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (number >= size || o + j >= kernels) continue;
            Real* at = dw + (size_t)part * pitch + (size_t)(group * kernels + o + j) * size + number;
            *at = adds ? *at + sum[i].at[j] : sum[i].at[j];
        }
    }
    int kernel = blockIdx.y * KERNELS + threadIdx.x;
    if (!sums || kernel >= kernels) return;
    Real* at = db + (size_t)part * pitch + group * kernels + kernel;
    *at = adds ? *at + total : total;
}
