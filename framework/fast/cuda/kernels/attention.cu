// Attention forward, without an array of all scores: softmax goes along the keys, tile by tile.
#include "tiles.cuh"

// y = (m p) v with p = softmax(q kᵀ scale + bias) and dropout's factors m. Of each row, stats gets the
// largest score and 1/Σ exp(score - largest). A block computes OWN queries of a head. What a row has
// summed so far counts less by exp(old largest - new largest) at each tile (Milakov, Gimelshein 2018).
// Twin: firstlight.fast.blocked.attention_tiles.attend. Floor: q, k, v read, y written.
extern "C" __global__ void attend(
    const Stored* q, const Stored* k, const Stored* v, Stored* y, Real* stats, const Real* bias,
    const unsigned* step, Attention a) {
    alignas(16) __shared__ Real k_tile[TILE * PITCH], v_tile[TILE * PITCH];
    int blocks = (a.queries + OWN - 1) / OWN, head = blockIdx.x / blocks;
    int start = blockIdx.x % blocks * OWN, first = start + threadIdx.x / 32 * 16;
    int offset = a.keys - a.queries;  // a causal query i sees the keys up to i + offset
    int stop = a.causal ? min(a.keys, start + OWN + offset) : a.keys;
    Head<const Stored> k_head = head_of(k, a.k, a, head, a.keys), v_head = head_of(v, a.v, a, head, a.keys);
    Draw draw = draw_of(a, head, step);
    bias += head / a.heads * a.bias.n + head % a.heads * a.bias.h;
    Real own[WIDTH / 8][4], sums[WIDTH / 8][4] = {}, largest[2] = {LOWEST, LOWEST}, total[2] = {};
    read_rows(own, head_of(q, a.q, a, head, a.queries), first, a.scale);
    for (int key = 0; key < stop; key += TILE) {
        __syncthreads();
        read_tile(k_tile, k_head, key, 1);
        read_tile(v_tile, v_head, key, 1);
        __syncthreads();
        if (first >= a.queries || (a.causal && key > first + 15 + offset)) continue;
        Real s[TILE / 8][4] = {};
        multiply<true>(own, k_tile, s);
        EACH(j, TILE / 8) EACH(i, 4) s[j][i] = score(a, bias, s[j][i], first + row_of(i), key + column_of(j, i));
        EACH(r, 2) {
            Real high = largest[r];
            EACH(j, TILE / 8) high = max(high, max(s[j][2 * r], s[j][2 * r + 1]));
            high = quad_max(high);
            Real fade = exp(largest[r] - high);
            largest[r] = high;
            total[r] *= fade;
            EACH(d, WIDTH / 8) EACH(i, 2) sums[d][2 * r + i] *= fade;
        }
        EACH(j, TILE / 8) EACH(i, 4) {
            Real e = exp(s[j][i] - largest[i / 2]);
            total[i / 2] += e;
            s[j][i] = rounded(e * factor(a, draw, first + row_of(i), key + column_of(j, i)));
        }
        multiply<false>(s, v_tile, sums);
    }
    EACH(r, 2) {
        Real sum = quad_sum(total[r]), share = sum == 0 ? Real(0) : 1 / sum;  // 0: it sees no key
        EACH(d, WIDTH / 8) EACH(i, 2) sums[d][2 * r + i] *= share;
        int row = first + row_of(2 * r);
        if (threadIdx.x % 4 || row >= a.queries) continue;
        stats[(size_t)head * a.queries + row] = largest[r];
        stats[((size_t)gridDim.x / blocks + head) * a.queries + row] = share;
    }
    write_rows(head_of(y, a.y, a, head, a.queries), first, sums, 1);
}
