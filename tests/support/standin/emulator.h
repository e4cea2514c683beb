// CUDA on a CPU, as far as our kernels use it: one block after another; where threads of a block
// wait for each other, each is a fibre (ucontext) that hands over at __syncthreads, and where
// those of a warp exchange values.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__ static
#define __shared__ static
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(n)
struct dim3 { unsigned x, y, z; };
static dim3 threadIdx, blockIdx, blockDim, gridDim;
static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
using std::max;
using std::min;
using std::exp;
using std::log;
using std::sqrt;
using std::erf;
using std::expm1;
using std::log1p;
using std::tanh;
using std::isfinite;

typedef void (*Call)(void**);
static ucontext_t caller;
enum Wait { READY, FOR_WARP, FOR_BLOCK, DONE };
struct Fibre { ucontext_t context; dim3 index; unsigned number; Wait waits; };
static Fibre* running;
static Call current;
static void** arguments;
static void body() { current(arguments); running->waits = DONE; }
static void wait(Wait what) {
    running->waits = what;
    swapcontext(&running->context, &caller);
}
static void __syncthreads() { wait(FOR_BLOCK); }
static int __syncthreads_or(int condition) {
    static int any;
    if (!threadIdx.x) any = 0;
    __syncthreads();
    any |= condition;
    __syncthreads();
    int found = any;
    __syncthreads();
    return found;
}
template <class T> static T __shfl_xor_sync(unsigned, T value, int distance) {
    static T values[1024];
    values[running->number] = value;
    wait(FOR_WARP);
    T found = values[running->number ^ distance];
    wait(FOR_WARP);  // before somebody writes the next value
    return found;
}
static void __syncwarp() { wait(FOR_WARP); }

// Tensor cores, whose layout is that of "mma.m16n8k8" in the PTX ISA, in thread 4 g + t of a warp:
// a has rows g, g + 8, g, g + 8 and columns t, t, t + 4, t + 4; b rows t, t + 4 and column g; c rows
// g, g, g + 8, g + 8 and columns 2 t, 2 t + 1, 2 t, 2 t + 1.
static float cut(float x, uint32_t more) {  // to 10 bits of fraction
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (isfinite(x)) bits = (bits + more) & ~0x1fffu;
    memcpy(&x, &bits, 4);
    return x;
}
static float to_tf32(float x) { return cut(x, 0x1000); }  // the nearest, halves away from zero
static void mma_tf32(float (&c)[4], const float (&a)[4], float b0, float b1) {
    static float left[32][16][8], right[32][8][8];  // of each warp
    int warp = running->number / 32, g = running->number % 32 / 4, t = running->number % 4;
    for (int i = 0; i < 4; i++) left[warp][g + i % 2 * 8][t + i / 2 * 4] = a[i];
    right[warp][t][g] = b0, right[warp][t + 4][g] = b1;
    wait(FOR_WARP);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 8; k++)
            c[i] += cut(left[warp][g + i / 2 * 8][k], 0) * cut(right[warp][k][2 * t + i % 2], 0);
    wait(FOR_WARP);
}
// Let fibres [first, stop) go on if all wait for the same.
static bool release(std::vector<Fibre>& fibres, unsigned first, unsigned stop, Wait what) {
    for (unsigned i = first; i < stop; i++)
        if (fibres[i].waits != what) return false;
    for (unsigned i = first; i < stop; i++) fibres[i].waits = READY;
    return true;
}
static int run_together(Call call, void** args) {
    const size_t STACK = 1 << 16;
    unsigned n = blockDim.x * blockDim.y * blockDim.z;
    static std::vector<char> stacks;
    if (stacks.size() < n * STACK) stacks.resize(n * STACK);
    std::vector<Fibre> fibres(n);
    current = call, arguments = args;
    for (unsigned i = 0; i < n; i++) {
        Fibre& f = fibres[i];
        f.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        f.number = i, f.waits = READY;
        getcontext(&f.context);
        f.context.uc_stack = {stacks.data() + i * STACK, 0, STACK};
        f.context.uc_link = &caller;
        makecontext(&f.context, body, 0);
    }
    for (;;) {
        unsigned finished = 0;
        for (Fibre& f : fibres) {
            if (f.waits == READY) {
                running = &f, threadIdx = f.index;
                swapcontext(&caller, &f.context);
            }
            finished += f.waits == DONE;
        }
        if (finished == n) return 0;
        bool moved = release(fibres, 0, n, FOR_BLOCK);
        for (unsigned i = 0; i < n; i += WARP) moved |= release(fibres, i, min(i + WARP, n), FOR_WARP);
        if (!moved) return 1;
    }
}

static int run_block(Call call, void** args) {
    for (threadIdx.z = 0; threadIdx.z < blockDim.z; threadIdx.z++)
        for (threadIdx.y = 0; threadIdx.y < blockDim.y; threadIdx.y++)
            for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) call(args);
    return 0;
}

static int run_grid(Call call, void** args, bool together, dim3 grid, dim3 block) {
    gridDim = grid, blockDim = block;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                if ((together ? run_together : run_block)(call, args)) return 1;
            }
    return 0;
}

template <class F> struct Thunk;
template <class... A> struct Thunk<void (*)(A...)> {
    template <void (*F)(A...), size_t... I>
    static void apply(void** a, std::index_sequence<I...>) { F(*(A*)a[I]...); }
    template <void (*F)(A...)> static void call(void** a) {
        apply<F>(a, std::index_sequence_for<A...>());
    }
    struct Sizes { int value[32]; };
    static constexpr Sizes sizes() {
        Sizes s = {{(int)sizeof(A)...}};
        s.value[31] = sizeof...(A);
        return s;
    }
};

#define LAUNCHER(name, together)                                                                          \
    extern "C" { Thunk<decltype(&name)>::Sizes sizes_##name = Thunk<decltype(&name)>::sizes(); } \
    extern "C" int launch_##name(void** a, int gx, int gy, int gz, int bx, int by, int bz) {    \
        return run_grid(Thunk<decltype(&name)>::call<&name>, a, together,                        \
                        {(unsigned)gx, (unsigned)gy, (unsigned)gz},                              \
                        {(unsigned)bx, (unsigned)by, (unsigned)bz});                            \
    }
