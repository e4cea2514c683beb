// CUDA's small vectors of numbers, with its alignments: float4 is read at multiples of 16 bytes.
#pragma once
#define KERNEL_VECTORS(type, name, align2, align4)                                                    \
    struct alignas(align2) name##2 { type x, y; };                                                    \
    struct alignas(align4) name##4 { type x, y, z, w; };                                              \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                           \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
KERNEL_VECTORS(signed char, char, 2, 4)
KERNEL_VECTORS(unsigned char, uchar, 2, 4)
KERNEL_VECTORS(short, short, 4, 8)
KERNEL_VECTORS(unsigned short, ushort, 4, 8)
KERNEL_VECTORS(int, int, 8, 16)
KERNEL_VECTORS(unsigned, uint, 8, 16)
KERNEL_VECTORS(long long, longlong, 16, 16)
KERNEL_VECTORS(float, float, 8, 16)
KERNEL_VECTORS(double, double, 16, 16)
#undef KERNEL_VECTORS
struct int3 { int x, y, z; };
struct float3 { float x, y, z; };
struct double3 { double x, y, z; };
struct dim3 : uint3 {
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : uint3{x, y, z} {}
};
static inline int3 make_int3(int x, int y, int z) { return {x, y, z}; }
static inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
