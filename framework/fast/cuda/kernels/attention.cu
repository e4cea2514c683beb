// The softmax of attention, between its matrix products; a row of scores (N, H, T, S) in a warp
// or in a block.
// score = scale s + bias, and -inf where a causal query must not look. Dropout's factors are
// drawn again in backward from the same (seed, step, call, first + element), not stored.

struct Row {
    int n, h, t;
};

__device__ __forceinline__ Row row_of(int row, int heads, int queries) {
    return {row / queries / heads, row / queries % heads, row % queries};
}

// Dropout's factors of a row whose first element is `element`. Thread t of the row has the factors of
// four keys at a time, key_of(draw, t) + 32 k for k = 0 ... 3, which may lie before or behind it.
struct Draw {
    float p;
    unsigned element, step, call, seed0, seed1;
};

__device__ __forceinline__ int key_of(const Draw& d, int place) {
    return place / 32 * 128 + place % 32 - (int)(d.element % 128);
}

__device__ __forceinline__ Words words_of(const Draw& d, int place) {
    if (d.p <= 0) return {};
    return philox(counter_of(d.element + key_of(d, place)), d.step, d.call, d.seed0, d.seed1);
}

__device__ __forceinline__ Real factor_of(const Draw& d, unsigned word) {
    return d.p <= 0 ? Real(1) : uniform(word) >= d.p ? 1 / (1 - Real(d.p)) : Real(0);
}

// scores s become the weights after dropout; lse = log Σ exp(score).
// Twin: firstlight.fast.blocked.attention_tiles.attend. Floor: scores read and written once each.
extern "C" __global__ void softmax_rows(
    Real* scores, Real* lse, const Real* bias, Real scale, int rows, int heads, int queries, int keys,
    int causal, int has_bias, int bias_n, int bias_h, float p, const unsigned* step, unsigned call,
    unsigned seed0, unsigned seed1, unsigned first) {
    int row = row_of_thread();
    if (row >= rows) return;
    Row at = row_of(row, heads, queries);
    size_t start = (size_t)row * keys;
    const Real* b = bias + (size_t)at.n * bias_n + (size_t)at.h * bias_h + (size_t)at.t * keys;
    int seen = causal ? keys - queries + at.t + 1 : keys;
    Draw draw = {p, first + (unsigned)start, p > 0 ? *step : 0, call, seed0, seed1};
    // A warp's thread must read the keys that it writes below: no barrier is between.
    int begin = (int)threadIdx.x - (int)(draw.element % 32);
    Real largest = sizeof(Real) == 4 ? Real(-1.7e38) : Real(-8.9e307), sum = 0;
    for (int j = begin; j < seen; j += blockDim.x)
        if (j >= 0) largest = max(largest, scale * scores[start + j] + (has_bias ? b[j] : Real(0)));
    largest = row_max(largest);
    for (int j = begin; j < seen; j += blockDim.x)
        if (j >= 0) sum += exp(scale * scores[start + j] + (has_bias ? b[j] : Real(0)) - largest);
    sum = row_sum(sum);
    if (sum == 0) sum = sizeof(Real) == 4 ? Real(1.2e-38) : Real(2.3e-308);  // it sees nothing
    for (int place = threadIdx.x; key_of(draw, place) < keys; place += blockDim.x) {
        Words words = words_of(draw, place);
        for (int k = 0; k < 4; k++) {
            int j = key_of(draw, place) + 32 * k;
            if (j < 0 || j >= keys) continue;
            Real weight = 0;
            if (j < seen)
                weight =
                    exp(scale * scores[start + j] + (has_bias ? b[j] : Real(0)) - largest) / sum;
            scores[start + j] = weight * factor_of(draw, words.at[k]);
        }
    }
    if (threadIdx.x == 0) lse[row] = log(sum) + largest;
}

// With the weight w and dropout's factor m of each element: scores s become w m, and dp becomes
// scale ds = scale w (dp m - Σ_j w_j m_j dp_j).
// Twin: firstlight.fast.blocked.attention_tiles.attend_backward. Floor: scores and dp read and
// written.
extern "C" __global__ void softmax_rows_backward(
    Real* scores, Real* dp, const Real* lse, const Real* bias, Real scale, int rows, int heads,
    int queries, int keys, int causal, int has_bias, int bias_n, int bias_h, float p,
    const unsigned* step, unsigned call, unsigned seed0, unsigned seed1, unsigned first) {
    int row = row_of_thread();
    if (row >= rows) return;
    Row at = row_of(row, heads, queries);
    size_t start = (size_t)row * keys;
    const Real* b = bias + (size_t)at.n * bias_n + (size_t)at.h * bias_h + (size_t)at.t * keys;
    int seen = causal ? keys - queries + at.t + 1 : keys;
    Real sum = 0, dot = 0;
    Draw draw = {p, first + (unsigned)start, p > 0 ? *step : 0, call, seed0, seed1};
    for (int place = threadIdx.x; key_of(draw, place) < seen; place += blockDim.x) {
        Words words = words_of(draw, place);
        for (int k = 0; k < 4; k++) {
            int j = key_of(draw, place) + 32 * k;
            if (j < 0 || j >= seen) continue;
            size_t i = start + j;
            Real weight = exp(scale * scores[i] + (has_bias ? b[j] : Real(0)) - lse[row]);
            sum += weight;  // in all 1, but for the rounding of a large lse
            dot += weight * dp[i] * factor_of(draw, words.at[k]);
        }
    }
    sum = row_sum(sum);
    Real share = sum == 0 ? Real(0) : 1 / sum;  // of a row that sees nothing all weights are 0
    dot = row_sum(dot) * share;
    for (int place = threadIdx.x; key_of(draw, place) < keys; place += blockDim.x) {
        Words words = words_of(draw, place);
        for (int k = 0; k < 4; k++) {
            int j = key_of(draw, place) + 32 * k;
            if (j < 0 || j >= keys) continue;
            size_t i = start + j;
            Real weight = 0, factor = factor_of(draw, words.at[k]);
            if (j < seen)
                weight = exp(scale * scores[i] + (has_bias ? b[j] : Real(0)) - lse[row]) * share;
            dp[i] = scale * weight * (dp[i] * factor - dot);
            scores[i] = weight * factor;
        }
    }
}
