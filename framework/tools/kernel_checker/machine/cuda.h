// CUDA C++ for g++: keywords, built-in variables and functions, as far as kernels use them. It
// includes no standard header, since each kernel would take a second longer to compile; where <cmath>
// was included before, its functions are used.
#pragma once
#define KERNEL_SIDE
#include "machine.h"

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static  // the only data of a library that have no value when it is loaded
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __CUDA_ARCH__ 900

#define threadIdx kernel_builtins.thread
#define blockIdx kernel_builtins.block
#define blockDim kernel_builtins.block_size
#define gridDim kernel_builtins.grid_size
#define warpSize 32

typedef __SIZE_TYPE__ size_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;

#include "functions.h"
#include "vectors.h"
#include "half.h"

#define KERNEL_INLINE __attribute__((always_inline)) static inline

// --- threads that wait for each other, and exchange values ---
KERNEL_INLINE void __syncthreads() { kernel_barrier(0); }
KERNEL_INLINE int __syncthreads_count(int p) { return kernel_barrier(p); }
KERNEL_INLINE int __syncthreads_or(int p) { return kernel_barrier(p) != 0; }
KERNEL_INLINE int __syncthreads_and(int p) { return kernel_barrier(!p) == 0; }
KERNEL_INLINE void __syncwarp(unsigned mask = 0xffffffffu) { kernel_meet(&mask, 0, mask); }
KERNEL_INLINE void __threadfence() {}
KERNEL_INLINE void __threadfence_block() {}

KERNEL_INLINE int kernel_lane() {
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32;
}
template <class T> KERNEL_INLINE T kernel_shuffle(unsigned mask, T value, int lane) {
    static_assert(sizeof(T) <= 8, "a shuffle exchanges at most 8 bytes");
    kernel_meet(&value, sizeof value, mask);
    kernel_take(&value, sizeof value, lane, mask);
    return value;
}
template <class T>
KERNEL_INLINE T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    return kernel_shuffle(mask, value, kernel_lane() / width * width + (lane & (width - 1)));
}
template <class T>
KERNEL_INLINE T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    int lane = kernel_lane() ^ bits, own = kernel_lane();
    return kernel_shuffle(mask, value, lane / width > own / width ? own : lane);
}
template <class T>
KERNEL_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    int own = kernel_lane(), lane = own + (int)by;
    return kernel_shuffle(mask, value, lane / width != own / width ? own : lane);
}
template <class T>
KERNEL_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    int own = kernel_lane(), lane = own - (int)by;
    return kernel_shuffle(mask, value, lane < own / width * width ? own : lane);
}
KERNEL_INLINE unsigned __ballot_sync(unsigned mask, int p) {
    kernel_meet(&p, sizeof p, mask);
    unsigned votes = 0;
    for (int lane = 0; lane < 32; lane++) {
        if (mask >> lane & 1) kernel_take(&p, sizeof p, lane, mask);
        if (mask >> lane & 1 && p) votes |= 1u << lane;
    }
    return votes;
}
KERNEL_INLINE int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
KERNEL_INLINE int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

#include "tensor_cores.h"

// --- atomics: the machine is told, and the memory is changed behind its back ---
#define KERNEL_ATOMIC(name, new_value)                                                            \
    template <class T, class U>                                                                   \
    __attribute__((noinline, no_sanitize("thread", "undefined"))) T name(T* at, U given) {        \
        kernel_atomic(at, sizeof(T), __builtin_return_address(0));                                \
        T old = *at, value = T(given);                                                            \
        *at = new_value;                                                                          \
        return old;                                                                               \
    }
KERNEL_ATOMIC(atomicAdd, T(old + value))
KERNEL_ATOMIC(atomicSub, T(old - value))
KERNEL_ATOMIC(atomicMax, old > value ? old : value)
KERNEL_ATOMIC(atomicMin, old < value ? old : value)
KERNEL_ATOMIC(atomicExch, value)
KERNEL_ATOMIC(atomicOr, T(old | value))
KERNEL_ATOMIC(atomicAnd, T(old & value))
KERNEL_ATOMIC(atomicXor, T(old ^ value))
KERNEL_ATOMIC(atomicInc, old >= value ? T(0) : T(old + 1))
#undef KERNEL_ATOMIC
template <class T, class U, class V>
__attribute__((noinline, no_sanitize("thread", "undefined"))) T atomicCAS(T* at, U expected, V value) {
    kernel_atomic(at, sizeof(T), __builtin_return_address(0));
    T old = *at;
    *at = old == T(expected) ? T(value) : old;
    return old;
}

// --- how a kernel is launched: see KernelEntry ---
extern "C" __attribute__((visibility("hidden"))) char __ehdr_start[], __bss_start[], _end[];

template <int... I> struct KernelIndices {};
template <int N, int... I> struct KernelCount : KernelCount<N - 1, N - 1, I...> {};
template <int... I> struct KernelCount<0, I...> { typedef KernelIndices<I...> type; };

template <class T> constexpr char kernel_letter = 0;  // NumPy's of a type
template <class T> constexpr char kernel_letter<const T> = kernel_letter<T>;
#define KERNEL_LETTER(type, letter) template <> constexpr char kernel_letter<type> = letter;
KERNEL_LETTER(bool, '?') KERNEL_LETTER(char, 'b') KERNEL_LETTER(signed char, 'b')
KERNEL_LETTER(unsigned char, 'B') KERNEL_LETTER(short, 'h') KERNEL_LETTER(unsigned short, 'H')
KERNEL_LETTER(int, 'i') KERNEL_LETTER(unsigned, 'I') KERNEL_LETTER(long, 'q')
KERNEL_LETTER(unsigned long, 'Q') KERNEL_LETTER(long long, 'q') KERNEL_LETTER(unsigned long long, 'Q')
KERNEL_LETTER(__half, 'e') KERNEL_LETTER(float, 'f') KERNEL_LETTER(double, 'd')
#undef KERNEL_LETTER
template <class T> constexpr char kernel_pointer = 0;
template <class T> constexpr char kernel_pointer<T*> = 1;
template <class T> constexpr char kernel_pointer<const T*> = 2;
template <class T> constexpr char kernel_letter<T*> = kernel_letter<T>;

template <class F> struct KernelCall;
template <class... A> struct KernelCall<void (*)(A...)> {
    static constexpr int count = sizeof...(A);
    static constexpr int sizes[sizeof...(A) + 1] = {(int)sizeof(A)..., 0};
    static constexpr char types[sizeof...(A) + 1] = {kernel_letter<A>..., 0};
    static constexpr char pointers[sizeof...(A) + 1] = {kernel_pointer<A>..., 0};
    template <void (*F)(A...), int... I>
    __attribute__((no_sanitize("thread", "undefined"))) static void apply(void** a, KernelIndices<I...>) {
        F(*(A*)a[I]...);
    }
    template <void (*F)(A...)>
    __attribute__((no_sanitize("thread", "undefined"))) static void call(void** a) {
        apply<F>(a, typename KernelCount<count>::type());
    }
};
#define KERNEL_ENTRY(symbol, name, ...)                                                          \
    extern "C" __attribute__((visibility("default"))) KernelEntry symbol = {                    \
        name,                                                                                   \
        KernelCall<decltype(&__VA_ARGS__)>::template call<&__VA_ARGS__>,                        \
        KernelCall<decltype(&__VA_ARGS__)>::count,                                              \
        KernelCall<decltype(&__VA_ARGS__)>::sizes,                                              \
        KernelCall<decltype(&__VA_ARGS__)>::types,                                              \
        KernelCall<decltype(&__VA_ARGS__)>::pointers,                                           \
        __bss_start,                                                                            \
        _end,                                                                                   \
        __ehdr_start,                                                                           \
        KERNEL_SHARED_ITEM};
