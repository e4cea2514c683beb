// Attention's tiles. A block computes OWN rows of the scores, or of their transpose: each of its
// warps has 16 rows, as the tensor cores divide them, in its registers. What the rows meet goes by
// in shared memory, TILE rows at a time.
// Legend: thread 4 g + t of a warp has, of 16 rows and 8 N columns, x[j][0], x[j][1] in row g and
// x[j][2], x[j][3] in row g + 8, columns 8 j + 2 t and the next.

#ifndef WIDTH
#define WIDTH 16  // numbers of a head, rounded up to 16, 32, 64 or 128; the rest is zero
#endif
#define OWN 64
#define TILE (WIDTH * sizeof(Real) > 512 ? 16 : 32)
#define PITCH (WIDTH + 4)  // of a row in shared memory: eight rows begin in different banks
#define LOWEST (sizeof(Real) == 4 ? Real(-1.7e38) : Real(-8.9e307))
#define HIDDEN (2 * LOWEST)  // exp(HIDDEN - LOWEST) is 0
#define EACH(i, count) _Pragma("unroll") for (int i = 0; i < int(count); i++)

struct Strides {
    long long n, h, row;
};

// Like _dtype in attention.py.
struct Attention {
    Strides q, k, v, y, dy, dq, dk, dv, bias;
    Real scale;
    float p;  // of dropout
    int heads, queries, keys, width, causal, has_bias;
    unsigned call, seed0, seed1, first;
};

// One head of an array: its rows, beyond which there are zeros.
template <class T> struct Head {
    T* at;
    long long row;
    int rows, width;
};

template <class T>
__device__ __forceinline__ Head<T> head_of(T* array, Strides s, const Attention& a, int head, int rows) {
    return {array + head / a.heads * s.n + head % a.heads * s.h, s.row, rows, a.width};
}

__device__ __forceinline__ Real number(const Head<const Stored>& x, int i, int d) {
    return i < x.rows && d < x.width ? Real(x.at[i * x.row + d]) : Real(0);
}

__device__ __forceinline__ int row_of(int i) { return threadIdx.x % 32 / 4 + i / 2 * 8; }
__device__ __forceinline__ int column_of(int j, int i) { return 8 * j + threadIdx.x % 4 * 2 + i % 2; }

// With TENSOR, products are of factors rounded to 10 bits of fraction, by the tensor cores of sm_80
// and later; the emulator has its own two functions.
#if defined(TENSOR) && defined(__CUDACC__)
#if __CUDA_ARCH__ < 800
#undef TENSOR
#else
__device__ __forceinline__ float to_tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
}

// c += a b for a (16, 8) and b (8, 8), see "mma.m16n8k8" of the PTX ISA.
__device__ __forceinline__ void mma_tf32(float (&c)[4], const float (&a)[4], float b0, float b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
}
#endif
#endif

#ifdef TENSOR
__device__ __forceinline__ Real rounded(Real x) { return to_tf32(x); }
#else
__device__ __forceinline__ Real rounded(Real x) { return x; }
#endif

// Where the four threads of a row exchange their numbers.
__device__ __forceinline__ Real (*exchange())[20] {
    alignas(16) __shared__ Real parts[OWN][20];
    return parts;
}

struct alignas(2 * sizeof(Real)) Pair {  // read at once
    Real x, y;
};

__device__ __forceinline__ Pair pair(const Real* at) { return *(const Pair*)at; }

// c += a B for a (16, 8 K) and B (8 K, 8 N), which are rows of a tile, or TURNED columns.
template <bool TURNED, int K, int N>
__device__ __forceinline__ void multiply(const Real (&a)[K][4], const Real* tile, Real (&c)[N][4]) {
#ifdef TENSOR
    // The order of k is free: a thread's two columns stand for the columns t and t + 4 of "mma".
    EACH(k, K) {
        const float part[4] = {a[k][0], a[k][2], a[k][1], a[k][3]};
        EACH(n, N) {
            int inner = column_of(k, 0), outer = 8 * n + row_of(0);
            const float* b = tile + (TURNED ? outer * PITCH + inner : inner * PITCH + outer);
            mma_tf32(c[n], part, b[0], b[TURNED ? 1 : PITCH]);
        }
    }
#else
    Real(*parts)[20] = exchange() + threadIdx.x / 32 * 16;
    EACH(half, K / 2) {
        __syncwarp();
        EACH(j, 2) EACH(i, 4) parts[row_of(i)][column_of(j, i)] = a[2 * half + j][i];
        __syncwarp();
        for (int k = 0; k < 16; k += 2) {
            Pair upper = pair(&parts[row_of(0)][k]), lower = pair(&parts[row_of(2)][k]);
            EACH(n, N) {
                int inner = 16 * half + k, outer = column_of(n, 0);
                const Real* b = tile + (TURNED ? outer * PITCH + inner : inner * PITCH + outer);
                Pair one = pair(b), two = pair(b + PITCH);
                Pair first = TURNED ? Pair{one.x, two.x} : one;  // of row k of B, two columns
                Pair second = TURNED ? Pair{one.y, two.y} : two;
                c[n][0] += upper.x * first.x, c[n][1] += upper.x * first.y;
                c[n][2] += lower.x * first.x, c[n][3] += lower.x * first.y;
                c[n][0] += upper.y * second.x, c[n][1] += upper.y * second.y;
                c[n][2] += lower.y * second.x, c[n][3] += lower.y * second.y;
            }
        }
    }
#endif
}

// Read rows first ... first + 15 of a head.
__device__ __forceinline__ void read_rows(Real (&x)[WIDTH / 8][4], Head<const Stored> head, int first, Real scale) {
    EACH(j, WIDTH / 8) EACH(i, 4) x[j][i] = rounded(scale * number(head, first + row_of(i), column_of(j, i)));
}

__device__ __forceinline__ void write_rows(Head<Stored> head, int first, const Real (&x)[WIDTH / 8][4], Real scale) {
    EACH(j, WIDTH / 8) EACH(i, 4) {
        int row = first + row_of(i), d = column_of(j, i);
        if (row < head.rows && d < head.width) head.at[row * head.row + d] = scale * x[j][i];
    }
}

// Read rows first ... first + TILE - 1 into shared memory, the whole block.
__device__ __forceinline__ void read_tile(Real* tile, Head<const Stored> head, int first, Real scale) {
    for (int i = threadIdx.x; i < TILE * WIDTH; i += blockDim.x)
        tile[i / WIDTH * PITCH + i % WIDTH] = rounded(scale * number(head, first + i / WIDTH, i % WIDTH));
}

// Sum over the four threads of a row.
__device__ __forceinline__ Real quad_sum(Real x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

__device__ __forceinline__ Real quad_max(Real x) {
    x = max(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return max(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

// Dropout's numbers, and the last words drawn, which serve four keys.
struct Draw {
    unsigned head, step, counter;
    Words words;
};

__device__ __forceinline__ Draw draw_of(const Attention& a, int head, const unsigned* step) {
    Draw draw = {(unsigned)head, a.p > 0 ? *step : 0, 0, {}};
    if (a.p > 0) draw.words = philox(0, draw.step, a.call, a.seed0, a.seed1);
    return draw;
}

// Factor of a weight, 0 or 1/(1 - p).
__device__ __forceinline__ Real factor(const Attention& a, Draw& d, int query, int key) {
    if (a.p <= 0) return 1;
    unsigned element = a.first + (d.head * a.queries + query) * a.keys + key;
    if (d.counter != counter_of(element)) {
        d.counter = counter_of(element);
        d.words = philox(d.counter, d.step, a.call, a.seed0, a.seed1);
    }
    const unsigned* w = d.words.at;  // selected without an index, which registers do not have
    unsigned place = element / 32 % 4;
    unsigned word = place < 2 ? (place == 0 ? w[0] : w[1]) : (place == 2 ? w[2] : w[3]);
    return uniform(word) >= a.p ? 1 / (1 - Real(a.p)) : Real(0);
}

// Score of a product of a query and a key, with the bias of the head.
__device__ __forceinline__ Real score(const Attention& a, const Real* bias, Real product, int query, int key) {
    if (query >= a.queries || key >= a.keys) return HIDDEN;
    if (a.causal && key > query + a.keys - a.queries) return HIDDEN;
    return a.has_bias ? product + bias[query * a.bias.row + key] : product;
}
