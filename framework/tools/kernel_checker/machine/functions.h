// CUDA's mathematical functions: for float and for double by the same name, and with its ending f.
#pragma once
#ifdef _GLIBCXX_CMATH  // the including file has the standard functions
#define KERNEL_MATH(name) using std::name;
#define KERNEL_TEST(name) using std::name;
#define KERNEL_MATH2(name) using std::name;
#else
#define KERNEL_MATH(name)                                                   \
    extern "C" double name(double) noexcept;                                \
    extern "C" float name##f(float) noexcept;                               \
    static inline float name(float x) { return __builtin_##name##f(x); }
#define KERNEL_MATH2(name)                                                  \
    extern "C" double name(double, double) noexcept;                        \
    extern "C" float name##f(float, float) noexcept;                        \
    static inline float name(float x, float y) { return __builtin_##name##f(x, y); }
#define KERNEL_TEST(name)                                                   \
    static inline bool name(float x) { return __builtin_##name(x); }        \
    static inline bool name(double x) { return __builtin_##name(x); }
#endif
KERNEL_MATH(exp) KERNEL_MATH(exp2) KERNEL_MATH(expm1)
KERNEL_MATH(log) KERNEL_MATH(log2) KERNEL_MATH(log10) KERNEL_MATH(log1p)
KERNEL_MATH(sqrt) KERNEL_MATH(cbrt) KERNEL_MATH(fabs)
KERNEL_MATH(sin) KERNEL_MATH(cos) KERNEL_MATH(tan)
KERNEL_MATH(asin) KERNEL_MATH(acos) KERNEL_MATH(atan)
KERNEL_MATH(sinh) KERNEL_MATH(cosh) KERNEL_MATH(tanh) KERNEL_MATH(erf) KERNEL_MATH(erfc)
KERNEL_MATH(floor) KERNEL_MATH(ceil) KERNEL_MATH(round) KERNEL_MATH(trunc) KERNEL_MATH(rint)
KERNEL_MATH2(pow) KERNEL_MATH2(fmod) KERNEL_MATH2(atan2) KERNEL_MATH2(hypot) KERNEL_MATH2(copysign)
KERNEL_MATH2(fmax) KERNEL_MATH2(fmin)
KERNEL_TEST(isfinite) KERNEL_TEST(isinf) KERNEL_TEST(isnan)
#undef KERNEL_MATH
#undef KERNEL_MATH2
#undef KERNEL_TEST
#ifndef _GLIBCXX_CMATH
extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return __builtin_fabsf(x); }
static inline double abs(double x) { return __builtin_fabs(x); }
#endif
static inline float fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }

// Of a number and NaN, the number: so CUDA's max and min do it, unlike std::max.
template <class A, class B> static inline auto max(A a, B b) -> decltype(a + b) {
    typedef decltype(a + b) T;
    T x = a, y = b;
    return x != x ? y : y != y ? x : x < y ? y : x;
}
template <class A, class B> static inline auto min(A a, B b) -> decltype(a + b) {
    typedef decltype(a + b) T;
    T x = a, y = b;
    return x != x ? y : y != y ? x : y < x ? y : x;
}

static inline float rsqrt(float x) { return 1 / __builtin_sqrtf(x); }
static inline double rsqrt(double x) { return 1 / __builtin_sqrt(x); }
static inline float rsqrtf(float x) { return 1 / __builtin_sqrtf(x); }
static inline float __expf(float x) { return __builtin_expf(x); }
static inline float __logf(float x) { return __builtin_logf(x); }
static inline float __sinf(float x) { return __builtin_sinf(x); }
static inline float __cosf(float x) { return __builtin_cosf(x); }
static inline float __powf(float x, float y) { return __builtin_powf(x, y); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long)a * b >> 32; }
static inline int __mulhi(int a, int b) { return (long)a * b >> 32; }
static inline int __popc(unsigned a) { return __builtin_popcount(a); }
static inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
static inline int __clz(int a) { return a ? __builtin_clz(a) : 32; }
static inline int __clzll(long long a) { return a ? __builtin_clzll(a) : 64; }
static inline int __ffs(int a) { return __builtin_ffs(a); }
template <class T> static inline T __ldg(const T* at) { return *at; }

#define KERNEL_BITS(name, from, to)                   \
    static inline to name(from x) {                   \
        to y;                                         \
        __builtin_memcpy(&y, &x, sizeof y);           \
        return y;                                     \
    }
KERNEL_BITS(__float_as_int, float, int)
KERNEL_BITS(__int_as_float, int, float)
KERNEL_BITS(__float_as_uint, float, unsigned)
KERNEL_BITS(__uint_as_float, unsigned, float)
KERNEL_BITS(__double_as_longlong, double, long long)
KERNEL_BITS(__longlong_as_double, long long, double)
#undef KERNEL_BITS
