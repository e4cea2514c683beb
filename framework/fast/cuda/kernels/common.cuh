// What all kernels share. They compute with Real, float or double; activations and their gradients are
// Stored in memory: as Real, or as one of the following two. Arrays are contiguous, rows first.
// No kernel adds floating-point numbers by atomics: sums have a fixed order, so that the same
// input gives the same bits each time.

#ifndef THREADS
#define THREADS 256  // of a block that adds up together
#define WARP 32
#endif

// float16 and bfloat16, rounded to the nearest number, of two to the even one.
struct Half {
    unsigned short bits;
    Half() = default;
#ifdef __CUDACC__
    __device__ __forceinline__ Half(float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
    __device__ __forceinline__ operator float() const {
        float x;
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
        return x;
    }
#else  // the kernel checker
    Half(float x) : bits(kernel_round_half(x)) {}
    operator float() const { return kernel_widen_half(bits); }
#endif
};

struct Bfloat16 {
    unsigned short bits;
    Bfloat16() = default;
    __device__ __forceinline__ Bfloat16(float x) {
        unsigned word = __float_as_uint(x);  // the first half of a float
        bits = x != x ? word >> 16 | 64 : (word + 0x7fff + (word >> 16 & 1)) >> 16;
    }
    __device__ __forceinline__ operator float() const { return __uint_as_float((unsigned)bits << 16); }
};

// A row of numbers belongs to blockDim.x threads, which add up together: a warp, or a block of
// THREADS where rows are long (see launch_rows in kernel.py).
__device__ __forceinline__ int row_of_thread() { return blockIdx.x * blockDim.y + threadIdx.y; }

// Sum of one value of each thread of a row, as a tree; every thread gets it.
__device__ __forceinline__ Real row_sum(Real value) {
    for (int d = WARP / 2; d > 0; d /= 2) value += __shfl_xor_sync(0xffffffffu, value, d);
    if (blockDim.x == WARP) return value;
    __shared__ Real parts[THREADS / WARP];
    __syncthreads();  // all threads have read parts
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;
    __syncthreads();
    value = 0;
    for (int i = 0; i < THREADS / WARP; i++) value += parts[i];
    return value;
}

// Largest of one value of each thread of a row; every thread gets it.
__device__ __forceinline__ Real row_max(Real value) {
    for (int d = WARP / 2; d > 0; d /= 2)
        value = max(value, __shfl_xor_sync(0xffffffffu, value, d));
    if (blockDim.x == WARP) return value;
    __shared__ Real parts[THREADS / WARP];
    __syncthreads();
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;
    __syncthreads();
    for (int i = 0; i < THREADS / WARP; i++) value = max(value, parts[i]);
    return value;
}

// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011): four words of
// random bits as a function of a counter and a key, without any state. Element i gets word
// i / 32 % 4 of counter (i / 128 · 32 + i % 32, step, call, 0) under the key seed, so that a thread
// that draws once has the numbers of four elements, which lie beside those of its neighbours.
// Same in NumPy: tests/support/philox.py.
struct Words {
    unsigned at[4];
};

__device__ __forceinline__ Words philox(
    unsigned group, unsigned step, unsigned call, unsigned seed0, unsigned seed1) {
    Words c = {{group, step, call, 0}};
    for (int round = 0; round < 10; round++) {
        unsigned high0 = __umulhi(0xD2511F53u, c.at[0]), low0 = 0xD2511F53u * c.at[0];
        unsigned high1 = __umulhi(0xCD9E8D57u, c.at[2]), low1 = 0xCD9E8D57u * c.at[2];
        c = {{high1 ^ c.at[1] ^ seed0, low1, high0 ^ c.at[3] ^ seed1, low0}};
        seed0 += 0x9E3779B9u;
        seed1 += 0xBB67AE85u;
    }
    return c;
}

__device__ __forceinline__ float uniform(unsigned word) {  // in [0, 1), 24 bits
    return (word >> 8) * (1.0f / 16777216.0f);
}

__device__ __forceinline__ unsigned counter_of(unsigned element) {
    return element / 128 * 32 + element % 32;
}
