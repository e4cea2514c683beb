// The loss scale of half precision; counts = {BAD, GOOD, SKIPPED}: whether this step's gradient is
// not finite, good steps since the scale last changed, bad ones since the host last asked.

// g ← g / scale, and BAD = 1 if any of it is not finite: all threads that write write the same.
// Twin: firstlight.optim.loss_scale.LossScale.unscale. Floor: n Reals read and written.
extern "C" __global__ void unscale(Real* g, const Real* scale, int* counts, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    g[i] *= 1 / *scale;
    if (!isfinite(g[i])) counts[0] = 1;
}

// After a step, by one thread: half the scale if it was bad, twice after many good ones in a row.
// Twin: firstlight.optim.loss_scale.LossScale.update. Floor: one launch.
extern "C" __global__ void next_scale(Real* scale, int* counts, int interval) {
    if (counts[0]) {
        *scale *= Real(0.5);
        counts[1] = 0;
        counts[2]++;
    } else if (++counts[1] == interval) {
        if (isfinite(2 * *scale)) *scale *= 2;
        counts[1] = 0;
    }
    counts[0] = 0;
}

// What Adam needs of a step that may be left out: {BAD, lr / (1 - β₁ᵗ), 1/√(1 - β₂ᵗ)}, where t does
// not count the steps that were. By one thread, in double as the host does it.
// Twin: firstlight.fast.cuda.optimizers.corrections. Floor: one launch.
extern "C" __global__ void corrections(
    Real* out, const int* counts, double lr, double beta1, double beta2, int t) {
    t -= counts[2];
    out[0] = counts[0];
    out[1] = lr / (1 - pow(beta1, (double)t));
    out[2] = 1 / sqrt(1 - pow(beta2, (double)t));
}
