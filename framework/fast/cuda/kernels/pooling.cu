// Max pooling of channels-last images; axes as in convolution.cu.

// y = largest pixel of each window, place = i · kw + j of the first such, of NaN the last.
// Twin: firstlight.fast.blocked.pooling.max_pool2d. Floor: x read, y and place written.
extern "C" __global__ void max_pool(
    const Stored* x, Stored* y, unsigned char* place, int channels, int h, int oh, int kh, int sh,
    int dh, int bh, int w, int ow, int kw, int sw, int dw, int bw, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int c = i % channels, rest = i / channels;
    int o = rest % ow;
    rest /= ow;
    int m = rest % oh, n = rest / oh;
    Real best = -1 / Real(0);  // of a window that sees no pixel
    int found = -1;
    for (int tap = 0; tap < kh * kw; tap++) {
        int row = m * sh + tap / kw * dh - bh, column = o * sw + tap % kw * dw - bw;
        if (row < 0 || row >= h || column < 0 || column >= w) continue;
        Real pixel = x[(((size_t)n * h + row) * w + column) * channels + c];
        if (found < 0 || pixel > best || pixel != pixel) {  // NaN is the largest, as in NumPy
            found = tap;
            best = pixel;
        }
    }
    y[i] = best;
    place[i] = max(found, 0);
}

// dx = Σ of dy over the windows whose largest pixel this was.
// Twin: firstlight.fast.blocked.pooling.max_pool2d_dx. Floor: dy and place read, dx written.
extern "C" __global__ void max_pool_dx(
    const Stored* dy, const unsigned char* place, Stored* dx, int channels, int h, int oh, int kh,
    int sh, int dh, int bh, int w, int ow, int kw, int sw, int dw, int bw, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int c = i % channels, rest = i / channels;
    int column = rest % w;
    rest /= w;
    int row = rest % h, n = rest / h;
    Real sum = 0;
    for (int tap = 0; tap < kh * kw; tap++) {
        int y = row + bh - tap / kw * dh, x = column + bw - tap % kw * dw;
        if (y < 0 || y % sh || y / sh >= oh || x < 0 || x % sw || x / sw >= ow) continue;
        size_t at = (((size_t)n * oh + y / sh) * ow + x / sw) * channels + c;
        if (place[at] == tap) sum += dy[at];
    }
    dx[i] = sum;
}
