// One pass over the flat arrays of a model: values w, gradient g, and the optimizer's state. What
// changes from step to step (lr, corrections) comes by value; but where a loss scale may leave
// steps out (guarded), whether this is one, and what depends on their number, is on the device.

// Twin: firstlight.optim.Adam, and AdamW with decoupled = 1.
// step_size = lr / (1 - β₁ᵗ), root = 1/√(1 - β₂ᵗ). Floor: 4 n Reals read, 3 n written.
extern "C" __global__ void adam(
    Real* w, const Real* g, Real* m, Real* v, Real lr, Real beta1, Real beta2, Real eps,
    Real weight_decay, Real step_size, Real root, int decoupled, int n, const Real* decided,
    int guarded) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    if (guarded) {  // {bad, step_size, root} of scaling.cu
        if (decided[0] != 0) return;
        step_size = decided[1];
        root = decided[2];
    }
    Real value = w[i], slope = g[i];
    if (decoupled)
        value *= 1 - lr * weight_decay;
    else
        slope += weight_decay * value;
    Real mean = beta1 * m[i] + (1 - beta1) * slope;
    Real square = beta2 * v[i] + (1 - beta2) * slope * slope;
    m[i] = mean;
    v[i] = square;
    w[i] = value - step_size * mean / (sqrt(square) * root + eps);
}

// Twin: firstlight.optim.SGD; share is what of g enters the running sum b, after step t = 1.
// Floor: 3 n Reals read, 2 n written; 2 n and n without momentum (b is not touched then).
extern "C" __global__ void sgd(
    Real* w, const Real* g, Real* b, Real lr, Real momentum, Real share, Real weight_decay,
    int nesterov, int t, int n, const int* counts, int guarded) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || (guarded && counts[0])) return;
    if (t - (guarded ? counts[2] : 0) == 1) share = 1;
    Real slope = g[i] + weight_decay * w[i], step = slope;
    if (momentum != 0) {
        Real sum = momentum * b[i] + share * slope;
        b[i] = sum;
        step = nesterov ? slope + momentum * sum : sum;
    }
    w[i] -= lr * step;
}

// Twin: firstlight.optim.RMSprop; share = 1 - alpha. a is touched if centered, b with momentum.
// Floor: 3 n Reals read, 2 n written; n more of each with a, and with b.
extern "C" __global__ void rmsprop(
    Real* w, const Real* g, Real* v, Real* a, Real* b, Real lr, Real alpha, Real share, Real eps,
    Real weight_decay, Real momentum, int centered, int n, const int* counts, int guarded) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || (guarded && counts[0])) return;
    Real slope = g[i] + weight_decay * w[i];
    Real variance = alpha * v[i] + share * slope * slope;
    v[i] = variance;
    if (centered) {
        Real mean = alpha * a[i] + share * slope;
        a[i] = mean;
        variance -= mean * mean;
        if (variance < 0) variance = 0;  // by rounding; NaN stays
    }
    Real step = slope / (sqrt(variance) + eps);
    if (momentum != 0) {
        step += momentum * b[i];
        b[i] = step;
    }
    w[i] -= lr * step;
}

// Twin: firstlight.optim.Adagrad. The learning rate falls with the steps t, but for those that were
// left out; in double, as on the host. Floor: 3 n Reals read, 2 n written.
extern "C" __global__ void adagrad(
    Real* w, const Real* g, Real* s, double lr, double lr_decay, Real eps, Real weight_decay, int t,
    int n, const int* counts, int guarded) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || (guarded && counts[0])) return;
    if (guarded) t -= counts[2];
    Real slope = g[i] + weight_decay * w[i], sum = s[i] + slope * slope;
    s[i] = sum;
    w[i] -= Real(lr / (1 + (t - 1) * lr_decay)) * slope / (sqrt(sum) + eps);
}
