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
    if (i >= n) return;
    Words words = philox(counter_of(first + i), *step, call, seed0, seed1);
    mask[i] = uniform(words.at[(first + i) / 32 % 4]) >= p;
}

// y = x · m / (1 - p) with m as above, of four elements with the words of one counter. Backward draws
// the same m from the same numbers.
// Twin: firstlight.nn.Dropout. Floor: n numbers read and written.
extern "C" __global__ void dropout(
    const Stored* x, Stored* y, Real scale, int n, float p, const unsigned* step, unsigned call,
    unsigned seed0, unsigned seed1, unsigned first) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int start = thread / 32 * 128 + thread % 32 - (int)(first % 128);
    if (start >= n) return;
    Words words = philox(counter_of(first + start), *step, call, seed0, seed1);
    for (int k = 0; k < 4; k++) {
        int i = start + 32 * k;
        if (i >= 0 && i < n) y[i] = x[i] * (uniform(words.at[k]) >= p ? scale : Real(0));
    }
}
