// What CuPy's float16 expects of CUDA's half, beside what the kernel checker's cuda.h has.
#pragma once
struct __half_raw {
    unsigned short x;
    __half_raw() = default;
    __half_raw(__half value) : x(value.bits) {}
    operator __half() const {
        __half value;
        value.bits = x;
        return value;
    }
};
static inline unsigned short __half_as_ushort(__half value) { return value.bits; }
static inline __half __ushort_as_half(unsigned short bits) {
    __half value;
    value.bits = bits;
    return value;
}
