// Softmax and cross-entropy; one block a row of logits x (N, C).

// e = exp(x - max), s = Σ e, log_s = log s, x_t = x[t] - max. Rows that do not count are taken for
// zeros, whatever is in them.
// Twin: BlockedCrossEntropy.parts. Floor: N · C Reals read, and written once.
extern "C" __global__ void softmax_parts(
    const Real* x, const long long* t, const bool* counted, Real* e, Real* s, Real* log_s,
    Real* x_t, int classes) {
    size_t row = blockIdx.x;
    x += row * classes;
    e += row * classes;
    bool counts = counted[row];
    Real largest = counts ? x[0] : Real(0);
    for (int c = threadIdx.x; counts && c < classes; c += THREADS) largest = max(largest, x[c]);
    largest = block_max(largest);
    Real sum = 0;
    for (int c = threadIdx.x; c < classes; c += THREADS) {
        Real value = counts ? exp(x[c] - largest) : Real(1);
        e[c] = value;
        sum += value;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        s[row] = sum;
        log_s[row] = log(sum);
        x_t[row] = counts ? x[t[row]] - largest : Real(0);
    }
}

// dx = scale a (e / s - [c = t]), in place of e; *scale is a number on the device.
// Twin: BlockedCrossEntropy.parts_dx. Floor: N · C Reals read and written.
extern "C" __global__ void softmax_parts_dx(
    Real* e, const Real* s, const long long* t, const Real* a, const Real* scale, int classes) {
    size_t row = blockIdx.x;
    e += row * classes;
    Real share = *scale * a[row], factor = share / s[row];
    int right = t[row];
    for (int c = threadIdx.x; c < classes; c += THREADS)
        e[c] = e[c] * factor - (c == right ? share : Real(0));
}
