// The tensor cores' product of small matrices, of factors with 10 bits of fraction ("tf32").
#pragma once

static inline float kernel_cut(float x, unsigned more) {  // to 10 bits of fraction
    return isfinite(x) ? __uint_as_float((__float_as_uint(x) + more) & ~0x1fffu) : x;
}

// The nearest number of 10 bits, of two the one farther from zero.
static inline float to_tf32(float x) { return kernel_cut(x, 0x1000); }

// c += a b for a (16, 8) and b (8, 8), as "mma.m16n8k8" of the PTX ISA: thread 4 g + t of a warp has of
// a the rows g, g + 8, g, g + 8 and the columns t, t, t + 4, t + 4; of b the rows t, t + 4 and the column
// g; of c the rows g, g, g + 8, g + 8 and the columns 2 t, 2 t + 1, 2 t, 2 t + 1.
KERNEL_INLINE void mma_tf32(float (&c)[4], const float (&a)[4], float b0, float b1) {
    const float own[6] = {a[0], a[1], a[2], a[3], b0, b1};
    kernel_meet(own, sizeof own, 0xffffffffu);
    int g = kernel_lane() / 4, t = kernel_lane() % 4;
    float rows[4][6], columns[8][6];  // of the lanes that have this thread's rows of a, columns of b
    for (int k = 0; k < 4; k++) kernel_take(rows[k], sizeof own, 4 * g + k, 0xffffffffu);
    for (int k = 0; k < 8; k++) kernel_take(columns[k], sizeof own, 8 * t + k, 0xffffffffu);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 8; k++)
            c[i] += kernel_cut(rows[k % 4][i / 2 + k / 4 * 2], 0) *
                kernel_cut(columns[i % 2 * 4 + k % 4][4 + k / 4], 0);
}
