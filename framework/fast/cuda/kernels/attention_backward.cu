// Attention backward (Dao et al., "FlashAttention-2", 2023): the weights are computed again from q, k
// and the rows' stats, tile by tile. With p and m as in attention.cu and dp = m (dy vᵀ):
//   ds = p (dp - dot), dot = Σ_d dy y      dq = scale ds k      dk = scale dsᵀ q      dv = (m p)ᵀ dy
#include "tiles.cuh"

// dq, and dot of each row into stats. A block computes OWN queries of a head.
// Twin: firstlight.fast.blocked.attention_tiles.attend_backward. Floor: dy, q, k, v, y read, dq written.
extern "C" __global__ void attend_dq(
    const Real* dy, const Real* q, const Real* k, const Real* v, const Real* y, Real* stats, Real* dq,
    const Real* bias, const unsigned* step, Attention a) {
    alignas(16) __shared__ Real k_tile[TILE * PITCH], v_tile[TILE * PITCH];
    int blocks = (a.queries + OWN - 1) / OWN, head = blockIdx.x / blocks;
    int start = blockIdx.x % blocks * OWN, first = start + threadIdx.x / 32 * 16;
    int offset = a.keys - a.queries, stop = a.causal ? min(a.keys, start + OWN + offset) : a.keys;
    size_t rows = (size_t)gridDim.x / blocks * a.queries;
    Head<const Real> k_head = head_of(k, a.k, a, head, a.keys), v_head = head_of(v, a.v, a, head, a.keys);
    Head<const Real> y_head = head_of(y, a.y, a, head, a.queries), dy_head = head_of(dy, a.dy, a, head, a.queries);
    Draw draw = draw_of(a, head, step);
    bias += head / a.heads * a.bias.n + head % a.heads * a.bias.h;
    Real own[WIDTH / 8][4], slope[WIDTH / 8][4], sums[WIDTH / 8][4] = {};
    Real largest[2], share[2], dot[2] = {};
    read_rows(own, head_of(q, a.q, a, head, a.queries), first, a.scale);
    read_rows(slope, dy_head, first, 1);
    EACH(j, WIDTH / 8) EACH(i, 4) {
        int row = first + row_of(i), d = column_of(j, i);
        dot[i / 2] += number(dy_head, row, d) * number(y_head, row, d);
    }
    EACH(r, 2) {
        int row = first + row_of(2 * r);
        size_t at = (size_t)head * a.queries + row;
        dot[r] = quad_sum(dot[r]);
        largest[r] = row < a.queries ? stats[at] : LOWEST;
        share[r] = row < a.queries ? stats[rows + at] : Real(0);
        if (threadIdx.x % 4 == 0 && row < a.queries) stats[2 * rows + at] = dot[r];
    }
    for (int key = 0; key < stop; key += TILE) {
        __syncthreads();
        read_tile(k_tile, k_head, key, 1);
        read_tile(v_tile, v_head, key, 1);
        __syncthreads();
        if (first >= a.queries || (a.causal && key > first + 15 + offset)) continue;
        Real s[TILE / 8][4] = {}, ds[TILE / 8][4] = {};
        multiply<true>(own, k_tile, s);
        multiply<true>(slope, v_tile, ds);
        EACH(j, TILE / 8) EACH(i, 4) {
            int query = first + row_of(i), column = key + column_of(j, i);
            Real weight = exp(score(a, bias, s[j][i], query, column) - largest[i / 2]) * share[i / 2];
            ds[j][i] = rounded(weight * (ds[j][i] * factor(a, draw, query, column) - dot[i / 2]));
        }
        multiply<false>(ds, k_tile, sums);
    }
    write_rows(head_of(dq, a.dq, a, head, a.queries), first, sums, a.scale);
}

// dk and dv, after attend_dq. A block computes OWN keys of a head; rows are keys, columns queries.
// Twin: firstlight.fast.blocked.attention_tiles.attend_backward. Floor: dy, q, k, v read, dk, dv written.
extern "C" __global__ void attend_dkv(
    const Real* dy, const Real* q, const Real* k, const Real* v, const Real* stats, Real* dk, Real* dv,
    const Real* bias, const unsigned* step, Attention a) {
    alignas(16) __shared__ Real q_tile[TILE * PITCH], dy_tile[TILE * PITCH], of_row[3][TILE];
    int blocks = (a.keys + OWN - 1) / OWN, head = blockIdx.x / blocks;
    int start = blockIdx.x % blocks * OWN, first = start + threadIdx.x / 32 * 16;
    int offset = a.keys - a.queries, begin = a.causal ? max(0, start - offset) / TILE * TILE : 0;
    size_t rows = (size_t)gridDim.x / blocks * a.queries;
    Head<const Real> q_head = head_of(q, a.q, a, head, a.queries), dy_head = head_of(dy, a.dy, a, head, a.queries);
    Draw draw = draw_of(a, head, step);
    bias += head / a.heads * a.bias.n + head % a.heads * a.bias.h;
    Real own[WIDTH / 8][4], value[WIDTH / 8][4], dk_sums[WIDTH / 8][4] = {}, dv_sums[WIDTH / 8][4] = {};
    read_rows(own, head_of(k, a.k, a, head, a.keys), first, 1);
    read_rows(value, head_of(v, a.v, a, head, a.keys), first, 1);
    for (int query = begin; query < a.queries; query += TILE) {
        __syncthreads();
        read_tile(q_tile, q_head, query, a.scale);
        read_tile(dy_tile, dy_head, query, 1);
        for (int i = threadIdx.x; i < 3 * TILE; i += blockDim.x) {
            int row = query + i % TILE;
            of_row[i / TILE][i % TILE] =
                row < a.queries ? stats[i / TILE * rows + (size_t)head * a.queries + row] : Real(0);
        }
        __syncthreads();
        if (first >= a.keys || (a.causal && first > query + int(TILE) - 1 + offset)) continue;
        Real s[TILE / 8][4] = {}, ds[TILE / 8][4] = {};
        multiply<true>(own, q_tile, s);
        multiply<true>(value, dy_tile, ds);
        EACH(j, TILE / 8) EACH(i, 4) {
            int key = first + row_of(i), c = column_of(j, i), column = query + c;
            Real weight = exp(score(a, bias, s[j][i], column, key) - of_row[0][c]) * of_row[1][c];
            Real m = factor(a, draw, column, key);
            s[j][i] = rounded(weight * m);
            ds[j][i] = rounded(weight * (ds[j][i] * m - of_row[2][c]));
        }
        multiply<false>(s, dy_tile, dv_sums);
        multiply<false>(ds, q_tile, dk_sums);
    }
    write_rows(head_of(dk, a.dk, a, head, a.keys), first, dk_sums, 1);
    write_rows(head_of(dv, a.dv, a, head, a.keys), first, dv_sums, 1);
}
