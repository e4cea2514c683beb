// Numbers of 16 bits: kept rounded to nearest even, computed with as float.
#pragma once
#define KERNEL_SMALL_FLOAT(type, round, widen)                                        \
    struct type {                                                                     \
        unsigned short bits;                                                          \
        type() = default;                                                             \
        type(float x) : bits(round(x)) {}                                             \
        operator float() const { return widen(bits); }                                \
        type& operator+=(float x) { return *this = float(*this) + x; }                \
        type& operator-=(float x) { return *this = float(*this) - x; }                \
        type& operator*=(float x) { return *this = float(*this) * x; }                \
    };

static inline unsigned short kernel_round_half(float x) {
    _Float16 y = (_Float16)x;
    unsigned short bits;
    __builtin_memcpy(&bits, &y, 2);
    return bits;
}
static inline float kernel_widen_half(unsigned short bits) {
    _Float16 y;
    __builtin_memcpy(&y, &bits, 2);
    return (float)y;
}
static inline unsigned short kernel_round_bfloat16(float x) {
    unsigned bits = __float_as_uint(x);
    if (x != x) return bits >> 16 | 64;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline float kernel_widen_bfloat16(unsigned short bits) {
    return __uint_as_float((unsigned)bits << 16);
}
KERNEL_SMALL_FLOAT(__half, kernel_round_half, kernel_widen_half)
KERNEL_SMALL_FLOAT(__nv_bfloat16, kernel_round_bfloat16, kernel_widen_bfloat16)
#undef KERNEL_SMALL_FLOAT
typedef __half half;
static inline float __half2float(__half x) { return x; }
static inline __half __float2half(float x) { return x; }
static inline __half __float2half_rn(float x) { return x; }
static inline float __bfloat162float(__nv_bfloat16 x) { return x; }
static inline __nv_bfloat16 __float2bfloat16(float x) { return x; }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }
static inline __half __hadd(__half x, __half y) { return float(x) + float(y); }
static inline __half __hsub(__half x, __half y) { return float(x) - float(y); }
static inline __half __hmul(__half x, __half y) { return float(x) * float(y); }
