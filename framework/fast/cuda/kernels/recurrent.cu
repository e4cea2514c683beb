// The part of a time step that is no product, for RNN, LSTM and GRU: a thread for each of N hidden
// units in `count` = N · width. gates (N, G · width) holds x W_ihᵀ + h W_hhᵀ, and then what backward
// needs; backward replaces that by da. A row of dy is `apart` numbers behind the one before.

__device__ __forceinline__ Real sigmoid(Real x) { return 1 / (1 + exp(-x)); }

// Twin: firstlight.nn.RNNCell.step. Floor: count Reals read, count written (h'), and the biases.
extern "C" __global__ void rnn_step(
    const Real* gates, const Real* bias_ih, const Real* bias_hh, int biased, Real* new_h, int width,
    int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = i % width;
    if (i >= count) return;
    new_h[i] = tanh(gates[i] + (biased ? bias_ih[j] + bias_hh[j] : 0));
}

// Twin: firstlight.nn.RNNCell.undo. Floor: 3 count Reals read, count written.
extern "C" __global__ void rnn_undo(
    Real* gates, const Real* new_h, const Real* dy, int apart, const Real* dh, int width,
    int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Real d = dh[i] + dy[(size_t)(i / width) * apart + i % width];
    gates[i] = d * (1 - new_h[i] * new_h[i]);
}

// Twin: firstlight.nn.LSTMCell.step. Floor: 5 count Reals read, 6 written.
extern "C" __global__ void lstm_step(
    Real* gates, const Real* bias_ih, const Real* bias_hh, int biased, const Real* c, Real* new_c,
    Real* new_h, int width, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = i % width;
    if (i >= count) return;
    size_t at = (size_t)(i / width) * 4 * width + j;
    Real a[4];
    for (int k = 0; k < 4; k++) {
        int unit = k * width + j;
        a[k] = gates[at + k * width] + (biased ? bias_ih[unit] + bias_hh[unit] : 0);
    }
    Real in = sigmoid(a[0]), forget = sigmoid(a[1]), candidate = tanh(a[2]), out = sigmoid(a[3]);
    Real memory = forget * c[i] + in * candidate;
    gates[at] = in;
    gates[at + width] = forget;
    gates[at + 2 * width] = candidate;
    gates[at + 3 * width] = out;
    new_c[i] = memory;
    new_h[i] = out * tanh(memory);
}

// Twin: firstlight.nn.LSTMCell.undo; dc becomes that of the step before. Floor: 9 count Reals read,
// 5 written.
extern "C" __global__ void lstm_undo(
    Real* gates, const Real* c, const Real* new_c, const Real* dy, int apart, const Real* dh,
    Real* dc, int width, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = i % width;
    if (i >= count) return;
    size_t at = (size_t)(i / width) * 4 * width + j;
    Real in = gates[at], forget = gates[at + width];
    Real candidate = gates[at + 2 * width], out = gates[at + 3 * width];
    Real d = dh[i] + dy[(size_t)(i / width) * apart + j], t = tanh(new_c[i]);
    Real memory = dc[i] + d * out * (1 - t * t);
    gates[at] = memory * candidate * in * (1 - in);
    gates[at + width] = memory * c[i] * forget * (1 - forget);
    gates[at + 2 * width] = memory * in * (1 - candidate * candidate);
    gates[at + 3 * width] = d * t * out * (1 - out);
    dc[i] = memory * forget;
}

// Twin: firstlight.nn.GRUCell.step; b (N, 3 width) = h W_hhᵀ is apart from gates, as r multiplies
// its third block, which is kept in b_n. Floor: 7 count Reals read, 5 written.
extern "C" __global__ void gru_step(
    Real* gates, const Real* b, const Real* bias_ih, const Real* bias_hh, int biased, Real* b_n,
    const Real* h, Real* new_h, int width, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = i % width;
    if (i >= count) return;
    size_t at = (size_t)(i / width) * 3 * width + j;
    Real x[3], y[3];
    for (int k = 0; k < 3; k++) {
        int unit = k * width + j;
        x[k] = gates[at + k * width] + (biased ? bias_ih[unit] : 0);
        y[k] = b[at + k * width] + (biased ? bias_hh[unit] : 0);
    }
    Real r = sigmoid(x[0] + y[0]), z = sigmoid(x[1] + y[1]), n = tanh(x[2] + r * y[2]);
    gates[at] = r;
    gates[at + width] = z;
    gates[at + 2 * width] = n;
    b_n[i] = y[2];
    new_h[i] = (1 - z) * n + z * h[i];
}

// Twin: firstlight.nn.GRUCell.undo; dh becomes its part that does not pass through db. Floor: 7
// count Reals read, 7 written.
extern "C" __global__ void gru_undo(
    Real* gates, Real* db, const Real* b_n, const Real* h, const Real* dy, int apart, Real* dh,
    int width, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = i % width;
    if (i >= count) return;
    size_t at = (size_t)(i / width) * 3 * width + j;
    Real r = gates[at], z = gates[at + width], n = gates[at + 2 * width];
    Real d = dh[i] + dy[(size_t)(i / width) * apart + j];
    Real da_n = d * (1 - z) * (1 - n * n), da_z = d * (h[i] - n) * z * (1 - z);
    Real da_r = da_n * b_n[i] * r * (1 - r);
    gates[at] = db[at] = da_r;
    gates[at + width] = db[at + width] = da_z;
    gates[at + 2 * width] = da_n;
    db[at + 2 * width] = da_n * r;
    dh[i] = d * z;
}
