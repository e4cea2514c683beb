// Addresses of matrices for cublasGemmBatchedEx: of each array the first one (p), and the bytes from
// sample to sample (n) and from head to head (h). table[k, i] is that of matrix i of array k.
// Twin: x[n, h].data.ptr of CuPy. Floor: one launch.
typedef long long Place;

extern "C" __global__ void addresses(
    Place* table, int arrays, int heads, int count, Place p0, Place n0, Place h0, Place p1, Place n1,
    Place h1, Place p2, Place n2, Place h2, Place p3, Place n3, Place h3, Place p4, Place n4,
    Place h4, Place p5, Place n5, Place h5, Place p6, Place n6, Place h6, Place p7, Place n7,
    Place h7, Place p8, Place n8, Place h8) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Place n = i / heads, h = i % heads;
    const Place at[9] = {
        p0 + n * n0 + h * h0, p1 + n * n1 + h * h1, p2 + n * n2 + h * h2,
        p3 + n * n3 + h * h3, p4 + n * n4 + h * h4, p5 + n * n5 + h * h5,
        p6 + n * n6 + h * h6, p7 + n * n7 + h * h7, p8 + n * n8 + h * h8,
    };
    for (int k = 0; k < 9; k++)
        if (k < arrays) table[k * count + i] = at[k];
}
