// GELU y = x Φ(x) and its slope dy/dx in one pass. Twin: firstlight.fast.blocked.gelu.gelu.
// Floor: n Reals read, 2 n written (n without the slope).

// v, or a limit beyond which Φ and σ are 0 or 1: inf · 0 would make the slope NaN.
__device__ __forceinline__ Real near(Real v, Real limit) {
    return v > limit ? limit : v < -limit ? -limit : v;
}

extern "C" __global__ void gelu_exact(const Real* x, Real* y, Real* slope, int wants_slope, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Real v = x[i], cdf = Real(0.5) * (1 + erf(v * Real(0.70710678118654752440)));
    y[i] = v * cdf;
    v = near(v, 40);
    if (wants_slope) slope[i] = cdf + v * exp(Real(-0.5) * v * v) * Real(0.39894228040143267794);
}

extern "C" __global__ void gelu_tanh(const Real* x, Real* y, Real* slope, int wants_slope, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const Real root = Real(0.79788456080286535588), cubic = Real(0.044715);
    Real v = near(x[i], 10), square = v * v;
    Real s = Real(0.5) * (1 + tanh(root * v * (1 + cubic * square)));  // σ(2u)
    y[i] = x[i] * s;
    if (wants_slope) slope[i] = s + v * s * (1 - s) * 2 * root * (1 + 3 * cubic * square);
}
