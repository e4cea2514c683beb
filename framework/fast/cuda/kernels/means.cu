// Means of losses and metrics over batches.

// total += d v and weight += d, in double, for a value v and its denominator d: a number of the host
// (kind = 0), which is counted there, or an integer (1) or a double (2) on the device; by one thread.
// Twin: firstlight.training.means.MeanMetrics.add_value. Floor: one launch.
extern "C" __global__ void add_value(
    const Real* value, const void* denominator, int kind, double number, double* total,
    double* weight) {
    double d = kind == 0 ? number
        : kind == 1 ? (double)*(const long long*)denominator : *(const double*)denominator;
    *total += d * *value;
    if (kind > 0) *weight += d;
}
