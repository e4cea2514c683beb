// Element by element: filling, and dropout.

// Twin: x[...] = value. Floor: n Reals written.
extern "C" __global__ void fill_kernel(Real* x, Real value, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = value;
}

// mask = [u ≥ p] for uniform u, drawn from (seed, *step, call, first + element).
// Twin: tests/support/philox.py. Floor: n bytes written, 30 integer operations an element.
extern "C" __global__ void dropout_mask(
    unsigned char* mask, float p, const unsigned* step, unsigned call, unsigned seed0,
    unsigned seed1, unsigned first, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) mask[i] = philox_uniform(first + i, *step, call, seed0, seed1) >= p;
}

// y = x · m / (1 - p) with m as above, of four elements with the words of one counter. Backward draws
// the same m from the same numbers.
// Twin: firstlight.nn.Dropout. Floor: n Reals read and written.
extern "C" __global__ void dropout(
    const Real* x, Real* y, Real scale, int n, float p, const unsigned* step, unsigned call,
    unsigned seed0, unsigned seed1, unsigned first) {
    int group = blockIdx.x * blockDim.x + threadIdx.x, start = 4 * group - (int)(first % 4);
    if (start >= n) return;
    Words words = philox((first / 4 + group) & 0x3fffffffu, *step, call, seed0, seed1);
    for (int k = 0; k < 4; k++) {
        int i = start + k;
        if (i >= 0 && i < n) y[i] = x[i] * (uniform(words.at[k]) >= p ? scale : Real(0));
    }
}
