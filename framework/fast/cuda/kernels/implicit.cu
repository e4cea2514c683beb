// Convolution as a product of patches and kernels whose matrix of patches is never stored: a block
// gathers the numbers that its tile needs from the images (N, H, W, C), DEPTH at a time, into shared
// memory. Window m sees pixels m · stride + tap · dilation - before, on each axis. Blocks have 256
// threads.

#include "product_tile.cuh"

// y[place, o] = bias[o] + Σ_ijc x[pixel of the place under tap (i, j), c] w[o, i, j, c]. w and y are
// given by their steps, so that dx is the same sum: of dy, and of w with its ends exchanged.
// flags: 1 there is a bias; 2 four channels are one load; 4 pixels outside of x are zeros, of which a
// weight that is not finite makes NaN, as in forward. In dx there is nothing to multiply outside.
// Twin: firstlight.fast.blocked.convolution.BlockedSums.convolve.
// Floor: x and w read, y written; 2 · size of y · kh · kw · C operations.
extern "C" __global__ void convolve(
    const Stored* x, const Real* w, const Real* bias, Stored* y, int places, int channels, int h, int oh,
    int kh, int sh, int dh, int bh, int width, int ow, int kw, int sw, int dw, int bw, int kernels,
    int w_start, int w_group, int w_kernel, int w_row, int w_column, int w_channel, int y_start,
    int y_image, int y_row, int y_column, int flags) {
    __shared__ Real patches[DEPTH][LINES + 4], weights[DEPTH][KERNELS + 4];
    int group = blockIdx.z, first = blockIdx.x * LINES, first_kernel = blockIdx.y * KERNELS;
    int size = kh * kw * channels, pixel = channels * gridDim.z;
    bool has_bias = flags & 1, quads = flags & 2, zeros = flags & 4, finite = true;
    int line = threadIdx.x / 4, part = threadIdx.x % 4 * 4;  // this thread loads 4 numbers of a line
    bool has_kernel = first_kernel + line < kernels;
    w += w_start + (size_t)group * w_group + (size_t)first_kernel * w_kernel;
    x += group * channels;
    int top[2], left[2];
    const Stored* image[2];
    for (int half = 0; half < 2; half++) {
        int place = first + half * 64 + line, row = place / ow;
        top[half] = place < places ? row % oh * sh - bh : -(1 << 30);  // outside of any image
        left[half] = place % ow * sw - bw;
        image[half] = x + (size_t)(row / oh) * h * width * pixel;
    }
    Quad a[2], b;
    auto load = [&](int k) {
        int c = k % channels, j = k / channels % kw, i = k / channels / kw;
#pragma unroll
        for (int q = 0; q < 4; q++) {
            bool exists = k + q < size;
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int row = top[half] + i * dh, column = left[half] + j * dw;
                bool inside = exists && row >= 0 && row < h && column >= 0 && column < width;
                const Stored* at = inside ? image[half] + (row * width + column) * pixel + c : 0;
                if (quads) a[half] = inside ? quad(at) : Quad{};
                else a[half].at[q] = inside ? Real(*at) : Real(0);
            }
            const Real* at = exists && has_kernel
                ? w + line * w_kernel + i * w_row + j * w_column + c * w_channel : 0;
            if (!quads) b.at[q] = at ? *at : Real(0);
            else if (w_channel == 1) b = at ? *(const Quad*)at : Quad{};
            else for (int p = 0; p < 4; p++) b.at[p] = at ? at[p * w_channel] : Real(0);
            if (quads) break;
            if (++c == channels) c = 0, j++;
            if (j == kw) j = 0, i++;
        }
    };
    Quad sum[8] = {};
    load(part);
    for (int k = 0; k < size; k += DEPTH) {
        __syncthreads();  // all threads have read the tile
#pragma unroll
        for (int q = 0; q < 4; q++) {
            patches[part + q][line] = a[0].at[q], patches[part + q][line + 64] = a[1].at[q];
            weights[part + q][line] = b.at[q];
            finite = finite && isfinite(b.at[q]);
        }
        __syncthreads();
        if (k + DEPTH < size) load(k + DEPTH + part);  // which arrives during the products
        multiply_tile(patches, weights, sum);
    }
    auto inside_only = [&](int place, int kernel) {
        const Stored* image = x + (size_t)(place / ow / oh) * h * width * pixel;
        int top = place / ow % oh * sh - bh, left = place % ow * sw - bw;
        Real total = 0;
        for (int k = 0; k < size; k++) {
            int c = k % channels, j = k / channels % kw, i = k / channels / kw;
            int row = top + i * dh, column = left + j * dw;
            if (row < 0 || row >= h || column < 0 || column >= width) continue;
            Real weight = w[kernel * w_kernel + i * w_row + j * w_column + c * w_channel];
            total += image[(row * width + column) * pixel + c] * weight;
        }
        return total;
    };
    bool again = __syncthreads_or(!zeros && !finite);
    int kernel = first_kernel + threadIdx.x % 16 * 4;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int place = first + line_of(i), row = place / ow;
        if (place >= places || kernel >= kernels) continue;
        Stored* at = y + y_start + (size_t)(row / oh) * y_image + row % oh * y_row +
            place % ow * y_column + group * kernels + kernel;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (kernel + j >= kernels) continue;
            if (again) sum[i].at[j] = inside_only(place, kernel + j - first_kernel);
            if (has_bias) sum[i].at[j] += bias[group * kernels + kernel + j];
        }
        if (kernels % 4 == 0)
            *(StoredQuad*)at = {{sum[i].at[0], sum[i].at[1], sum[i].at[2], sum[i].at[3]}};
        else for (int j = 0; j < 4; j++) if (kernel + j < kernels) at[j] = sum[i].at[j];
    }
}
