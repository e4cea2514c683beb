// Attention backward (Dao et al., "FlashAttention-2", 2023): the weights are computed again from q, k
// and the rows' stats, tile by tile. With p and m as in attention.cu and dp = m (dy vᵀ):
//   ds = p (dp - dot), dot = Σ_d dy y      dq = scale ds k      dk = scale dsᵀ q      dv = (m p)ᵀ dy
#include "tiles.cuh"

typedef const Head<const Stored>& Input;

// dq of OWN queries from `start` on, whose keys go by in tiles.
__device__ __forceinline__ void queries_backward(
    const Attention& a, int start, Input q, Input k, Input v, Input y, Input dy,
    const Real* largest, const Real* share, const Real* bias, Draw draw, Real* k_tile, Real* v_tile,
    const Head<Stored>& dq) {
    int first = start + threadIdx.x / 32 * 16, offset = a.keys - a.queries;
    int stop = a.causal ? min(a.keys, start + OWN + offset) : a.keys;
    Real own[WIDTH / 8][4], slope[WIDTH / 8][4], sums[WIDTH / 8][4] = {}, high[2], part[2], dot[2] = {};
    read_rows(own, q, first, a.scale);
    read_rows(slope, dy, first, 1);
    EACH(j, WIDTH / 8) EACH(i, 4) {
        int row = first + row_of(i), d = column_of(j, i);
        dot[i / 2] += number(dy, row, d) * number(y, row, d);
    }
    EACH(r, 2) {
        int row = first + row_of(2 * r);
        dot[r] = quad_sum(dot[r]);
        high[r] = row < a.queries ? largest[row] : LOWEST;
        part[r] = row < a.queries ? share[row] : Real(0);
    }
    for (int key = 0; key < stop; key += TILE) {
        __syncthreads();
        read_tile(k_tile, k, key, 1);
        read_tile(v_tile, v, key, 1);
        __syncthreads();
        if (first >= a.queries || (a.causal && key > first + 15 + offset)) continue;
        Real s[TILE / 8][4] = {}, ds[TILE / 8][4] = {};
        multiply<true>(own, k_tile, s);
        multiply<true>(slope, v_tile, ds);
        EACH(j, TILE / 8) EACH(i, 4) {
            int query = first + row_of(i), column = key + column_of(j, i);
            Real weight = exp(score(a, bias, s[j][i], query, column) - high[i / 2]) * part[i / 2];
            ds[j][i] = rounded(weight * (ds[j][i] * factor(a, draw, query, column) - dot[i / 2]));
        }
        multiply<false>(ds, k_tile, sums);
    }
    write_rows(dq, first, sums, a.scale);
}

// dk and dv of OWN keys from `start` on, whose queries go by in tiles: rows are keys, columns queries.
__device__ __forceinline__ void keys_backward(
    const Attention& a, int start, Input q, Input k, Input v, Input y, Input dy,
    const Real* largest, const Real* share, const Real* bias, Draw draw, Real* q_tile, Real* dy_tile,
    Real (*of_row)[TILE], const Head<Stored>& dk, const Head<Stored>& dv) {
    int first = start + threadIdx.x / 32 * 16, offset = a.keys - a.queries;
    Real own[WIDTH / 8][4], value[WIDTH / 8][4], dk_sums[WIDTH / 8][4] = {}, dv_sums[WIDTH / 8][4] = {};
    read_rows(own, k, first, 1);
    read_rows(value, v, first, 1);
    for (int query = a.causal ? max(0, start - offset) / TILE * TILE : 0; query < a.queries; query += TILE) {
        __syncthreads();
        read_tile(q_tile, q, query, a.scale);
        read_tile(dy_tile, dy, query, 1);
        int c = threadIdx.x / 4, row = query + c;
        if (c < TILE) {  // four threads of a row
            Real dot = 0;
            for (int d = threadIdx.x % 4; d < a.width; d += 4) dot += number(dy, row, d) * number(y, row, d);
            of_row[0][c] = row < a.queries ? largest[row] : Real(0);
            of_row[1][c] = row < a.queries ? share[row] : Real(0);
            of_row[2][c] = quad_sum(dot);
        }
        __syncthreads();
        if (first >= a.keys || (a.causal && first > query + int(TILE) - 1 + offset)) continue;
        Real s[TILE / 8][4] = {}, ds[TILE / 8][4] = {};
        multiply<true>(own, q_tile, s);
        multiply<true>(value, dy_tile, ds);
        EACH(j, TILE / 8) EACH(i, 4) {
            int key = first + row_of(i), c = column_of(j, i);
            Real weight = exp(score(a, bias, s[j][i], query + c, key) - of_row[0][c]) * of_row[1][c];
            Real m = factor(a, draw, query + c, key);
            s[j][i] = rounded(weight * m);
            ds[j][i] = rounded(weight * (ds[j][i] * m - of_row[2][c]));
        }
        multiply<false>(s, dy_tile, dv_sums);
        multiply<false>(ds, q_tile, dk_sums);
    }
    write_rows(dk, first, dk_sums, 1);
    write_rows(dv, first, dv_sums, 1);
}

// Of each head, the first blocks have OWN queries each, the others OWN keys. All of them read the same
// rows, at about the same time.
// Twin: firstlight.fast.blocked.attention_tiles.attend_backward. Floor: dy, q, k, v, y read, dq, dk, dv
// written.
extern "C" __global__ void attend_backward(
    const Stored* dy, const Stored* q, const Stored* k, const Stored* v, const Stored* y, const Real* stats,
    Stored* dq, Stored* dk, Stored* dv, const Real* bias, const unsigned* step, Attention a) {
    alignas(16) __shared__ Real one[TILE * PITCH], other[TILE * PITCH], of_row[3][TILE];
    int of_queries = (a.queries + OWN - 1) / OWN, blocks = of_queries + (a.keys + OWN - 1) / OWN;
    int head = blockIdx.x / blocks, block = blockIdx.x % blocks;
    const Real* largest = stats + (size_t)head * a.queries;
    const Real* share = largest + (size_t)gridDim.x / blocks * a.queries;
    Head<const Stored> q_head = head_of(q, a.q, a, head, a.queries), dy_head = head_of(dy, a.dy, a, head, a.queries);
    Head<const Stored> k_head = head_of(k, a.k, a, head, a.keys), v_head = head_of(v, a.v, a, head, a.keys);
    Head<const Stored> y_head = head_of(y, a.y, a, head, a.queries);
    Draw draw = draw_of(a, head, step);
    bias += head / a.heads * a.bias.n + head % a.heads * a.bias.h;
    if (block < of_queries)
        queries_backward(a, block * OWN, q_head, k_head, v_head, y_head, dy_head, largest, share, bias, draw,
                         one, other, head_of(dq, a.dq, a, head, a.queries));
    else
        keys_backward(a, (block - of_queries) * OWN, q_head, k_head, v_head, y_head, dy_head, largest, share,
                      bias, draw, one, other, of_row, head_of(dk, a.dk, a, head, a.keys),
                      head_of(dv, a.dv, a, head, a.keys));
}
