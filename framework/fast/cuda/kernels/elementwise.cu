// Element by element: filling, and dropout's mask.

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
