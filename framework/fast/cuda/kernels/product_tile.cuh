// A block's tile of a product aᵀ b, LINES × KERNELS numbers, summed over DEPTH numbers at a time that
// lie in shared memory. Each of 256 threads has 8 × 4 of them, as two times four lines.
#define LINES 128
#define KERNELS 64
#define DEPTH 16

struct alignas(16) Quad {
    Real at[4];
};

struct alignas(sizeof(Stored) < 4 ? 8 : 16) StoredQuad {
    Stored at[4];
};

__device__ __forceinline__ Quad quad(const Stored* at) {
    StoredQuad q = *(const StoredQuad*)at;
    return {{q.at[0], q.at[1], q.at[2], q.at[3]}};
}

__device__ __forceinline__ int line_of(int i) { return i / 4 * 64 + threadIdx.x / 16 * 4 + i % 4; }

__device__ __forceinline__ void multiply_tile(
    const Real (*a)[LINES + 4], const Real (*b)[KERNELS + 4], Quad* sum) {
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        Quad right = *(const Quad*)&b[k][threadIdx.x % 16 * 4];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            Quad left = *(const Quad*)&a[k][line_of(half * 4)];
#pragma unroll
            for (int i = 0; i < 16; i++)
                sum[half * 4 + i / 4].at[i % 4] += left.at[i / 4] * right.at[i % 4];
        }
    }
}
