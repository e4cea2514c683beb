// The share of right rows of logits x (N, C) with labels t; each row in a warp or in a block.

// Whether class c has a larger logit than the label: NaN is the largest, and of equal ones the first.
__device__ __forceinline__ bool beats(Real x_c, Real x_t, int c, int t) {
    bool nan_c = x_c != x_c, nan_t = x_t != x_t;
    return nan_c ? !nan_t || c < t : x_c > x_t || (x_c == x_t && c < t);
}

// right = 1 where the label has the largest logit, 0 where not, and -1 in ignored rows.
// Twin: firstlight.nn.CrossEntropyLoss.metrics. Floor: N · C Reals read.
extern "C" __global__ void right_rows(
    const Stored* x, const long long* labels, Real* right, int rows, int classes, long long ignored) {
    int row = row_of_thread();
    if (row >= rows) return;
    x += (size_t)row * classes;
    long long t = labels[row];
    Real larger = 0;
    for (int c = threadIdx.x; t != ignored && c < classes; c += blockDim.x)
        if (beats(x[c], x[t], c, t)) larger = 1;
    larger = row_sum(larger);
    if (threadIdx.x == 0) right[row] = t == ignored ? Real(-1) : Real(larger == 0);
}

// share = {rows that are right / rows that count}, 0 without any; by one block.
// Twin: firstlight.nn.CrossEntropyLoss.metrics. Floor: N Reals read.
extern "C" __global__ void share_of_right(const Real* right, double* share, int rows) {
    Real found = 0, counted = 0;
    for (int row = threadIdx.x; row < rows; row += THREADS) {
        found += right[row] > 0;
        counted += right[row] >= 0;
    }
    found = row_sum(found);
    counted = row_sum(counted);
    if (threadIdx.x == 0) *share = (double)found / max((double)counted, 1.0);
}

// count = rows whose label is not ignored; by one block.
// Twin: firstlight.nn.CrossEntropyLoss.denominators. Floor: N labels read.
extern "C" __global__ void counted_rows(
    const long long* labels, long long* count, int rows, long long ignored) {
    Real counted = 0;
    for (int row = threadIdx.x; row < rows; row += THREADS) counted += labels[row] != ignored;
    counted = row_sum(counted);
    if (threadIdx.x == 0) *count = counted;
}
