// What all kernels share. Real is float or double. Arrays are contiguous, rows first.
// No kernel adds floating-point numbers by atomics: sums have a fixed order, so that the same
// input gives the same bits each time.

#ifndef THREADS
#define THREADS 256  // of a block that adds up together; a power of two
#endif

// Sum of one value of each thread, as a tree; every thread gets it.
__device__ __forceinline__ Real block_sum(Real value) {
    __shared__ Real shared[THREADS];
    int t = threadIdx.x;
    shared[t] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (t < half) shared[t] += shared[t + half];
        __syncthreads();
    }
    Real total = shared[0];
    __syncthreads();  // before somebody writes to shared again
    return total;
}

// Largest of one value of each thread; every thread gets it.
__device__ __forceinline__ Real block_max(Real value) {
    __shared__ Real shared[THREADS];
    int t = threadIdx.x;
    shared[t] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (t < half) shared[t] = max(shared[t], shared[t + half]);
        __syncthreads();
    }
    Real largest = shared[0];
    __syncthreads();
    return largest;
}

// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011): random bits
// as a function of a counter and a key, without any state. Element i gets word i % 4 of counter
// (i / 4, step, call, 0) under the key seed. Same in NumPy: tests/support/philox.py.
__device__ __forceinline__ float philox_uniform(
    unsigned element, unsigned step, unsigned call, unsigned seed0, unsigned seed1) {
    unsigned c[4] = {element / 4, step, call, 0};
    for (int round = 0; round < 10; round++) {
        unsigned high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
        unsigned high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
        c[0] = high1 ^ c[1] ^ seed0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ seed1;
        c[3] = low0;
        seed0 += 0x9E3779B9u;
        seed1 += 0xBB67AE85u;
    }
    return (c[element % 4] >> 8) * (1.0f / 16777216.0f);  // in [0, 1), 24 bits
}
