// What CuPy's bfloat16 expects of CUDA's, beside what the kernel checker's cuda.h has.
#pragma once
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
    __nv_bfloat16 value;
    value.bits = bits;
    return value;
}
static inline bool __hisnan(__nv_bfloat16 value) { return isnan(float(value)); }
static inline int __hisinf(__nv_bfloat16 value) { return isinf(float(value)); }
