// Softmax and cross-entropy of logits x (N, C), with labels t and class weights w (1 without);
// each row in a warp or in a block. With label smoothing ε, a row has the weight a = (1 - ε) w_t at
// its label, and b_c = ε w_c / C at all classes. The gradients are Reals, as a loss scale comes after.

// e = exp(x - max), s = Σ e, d = w_t, g = a + Σ b, loss = a (log s - x_t) + Σ_c b_c (log s - x_c).
// A row that does not count is taken for zeros, whatever is in it: its d, g and loss are 0.
// Twin: firstlight.nn.CrossEntropyLoss.forward. Floor: N · C Reals read, and written once.
extern "C" __global__ void cross_entropy_rows(
    const Stored* x, const long long* labels, const Real* w, Real* e, Real* s, Real* d, Real* g,
    Real* loss, int rows, int classes, long long ignored, int has_w, Real smoothing) {
    int row = row_of_thread();
    if (row >= rows) return;
    x += (size_t)row * classes;
    e += (size_t)row * classes;
    long long t = labels[row];
    Real of_label = t == ignored ? Real(0) : has_w ? w[t] : Real(1);
    bool counts = smoothing > 0 ? t != ignored : of_label != 0;
    Real largest = counts ? Real(x[0]) : Real(0);
    for (int c = threadIdx.x; counts && c < classes; c += blockDim.x) largest = max(largest, Real(x[c]));
    largest = row_max(largest);
    Real sum = 0, b_sum = 0, b_x = 0;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        Real power = counts ? exp(x[c] - largest) : Real(1);
        Real b = counts ? smoothing / classes * (has_w ? w[c] : Real(1)) : Real(0);
        e[c] = power;
        sum += power;
        b_sum += b;
        if (b != 0) b_x += b * (x[c] - largest);  // 0 · (-inf) is 0
    }
    sum = row_sum(sum);
    if (smoothing > 0) {
        b_sum = row_sum(b_sum);
        b_x = row_sum(b_x);
    }
    if (threadIdx.x > 0) return;
    Real a = (1 - smoothing) * of_label, log_s = log(sum);
    s[row] = sum;
    d[row] = of_label;
    g[row] = a + b_sum;
    loss[row] = (a != 0 ? a * (log_s - (x[t] - largest)) : Real(0)) + b_sum * log_s - b_x;
}

// mean = {Σ loss / D, D} with D = Σ d for a mean and 1 for a sum, or where Σ d is 0; by one block.
// Twin: firstlight.nn.CrossEntropyLoss.forward. Floor: 2 N Reals read.
extern "C" __global__ void mean_loss(
    const Real* loss, const Real* d, Real* mean, int rows, int is_mean) {
    Real sum = 0, total = 0;
    for (int row = threadIdx.x; row < rows; row += THREADS) {
        sum += loss[row];
        total += d[row];
    }
    sum = row_sum(sum);
    total = is_mean ? row_sum(total) : Real(1);
    if (total == 0) total = 1;
    if (threadIdx.x > 0) return;
    mean[0] = sum / total;
    mean[1] = total;
}

// dx = scale (g e / s - a [c = t] - b_c) / D, in place of e. The scale is a number, or an array on
// the device with one number (step = 0) or one for each row (step = 1).
// Twin: firstlight.nn.CrossEntropyLoss.backward. Floor: N · C Reals read and written.
extern "C" __global__ void cross_entropy_dx(
    Real* e, const Real* s, const Real* g, const long long* labels, const Real* w, const Real* d,
    const Real* total, const Real* scales, Real scale, int step, int rows, int classes, int has_w,
    Real smoothing) {
    int row = row_of_thread();
    if (row >= rows) return;
    e += (size_t)row * classes;
    if (step >= 0) scale = scales[(size_t)row * step];
    if (total) scale /= *total;
    long long t = labels[row];
    Real factor = scale * g[row] / s[row], share = scale * (1 - smoothing) * d[row];
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        Real b = g[row] != 0 ? scale * smoothing / classes * (has_w ? w[c] : Real(1)) : Real(0);
        e[c] = e[c] * factor - (c == t ? share : Real(0)) - b;
    }
}
