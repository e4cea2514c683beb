// Patches of channels-last images x (N, H, W, C), the rows of a matrix (places, kh · kw · C), and
// their way back. Window m sees pixels m · stride + tap · dilation - before, on each axis.

struct Axis {
    int size, out, taps, stride, dilation, before;
};

// matrix[(n, m, o), (i, j, c)] = x[n, row, column, c], 0 outside the image.
// Twin: firstlight.fast.blocked.patches.patches. Floor: x read, the matrix written.
extern "C" __global__ void im2col(
    const Stored* x, Stored* matrix, int channels, int h, int oh, int kh, int sh, int dh, int bh,
    int w, int ow, int kw, int sw, int dw, int bw, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Axis rows = {h, oh, kh, sh, dh, bh}, columns = {w, ow, kw, sw, dw, bw};
    int c = i % channels, rest = i / channels;
    int tap_x = rest % columns.taps;
    rest /= columns.taps;
    int tap_y = rest % rows.taps;
    rest /= rows.taps;
    int o = rest % columns.out;
    rest /= columns.out;
    int m = rest % rows.out, n = rest / rows.out;
    int row = m * rows.stride + tap_y * rows.dilation - rows.before;
    int column = o * columns.stride + tap_x * columns.dilation - columns.before;
    bool inside = row >= 0 && row < rows.size && column >= 0 && column < columns.size;
    matrix[i] =
        inside ? Real(x[(((size_t)n * rows.size + row) * columns.size + column) * channels + c]) : Real(0);
}

// dx[n, row, column, c] = Σ of what the windows that saw this pixel hold for it: each pixel looks
// for its windows, tap by tap, so that nothing is added by two threads.
// Twin: firstlight.fast.blocked.convolution.input_gradient. Floor: the matrix read, dx written.
extern "C" __global__ void col2im(
    const Stored* matrix, Stored* dx, int channels, int h, int oh, int kh, int sh, int dh, int bh,
    int w, int ow, int kw, int sw, int dw, int bw, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Axis rows = {h, oh, kh, sh, dh, bh}, columns = {w, ow, kw, sw, dw, bw};
    int c = i % channels, rest = i / channels;
    int column = rest % columns.size;
    rest /= columns.size;
    int row = rest % rows.size, n = rest / rows.size;
    Real sum = 0;
    for (int tap_y = 0; tap_y < rows.taps; tap_y++) {
        int y = row + rows.before - tap_y * rows.dilation;
        if (y < 0 || y % rows.stride || y / rows.stride >= rows.out) continue;
        for (int tap_x = 0; tap_x < columns.taps; tap_x++) {
            int x = column + columns.before - tap_x * columns.dilation;
            if (x < 0 || x % columns.stride || x / columns.stride >= columns.out) continue;
            size_t place =
                ((size_t)n * rows.out + y / rows.stride) * columns.out + x / columns.stride;
            sum += matrix[((place * rows.taps + tap_y) * columns.taps + tap_x) * channels + c];
        }
    }
    dx[i] = sum;
}
