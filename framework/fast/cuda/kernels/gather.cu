// A batch from samples that live on the device: out[n, :] = x[index[n], :] · factor, from bytes or
// from Reals. Twin: x[index] * factor. Floor: one read and one write a number.

extern "C" __global__ void gather_bytes(
    const unsigned char* x, const long long* index, Real* out, Real factor, int width, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = x[index[i / width] * width + i % width] * factor;
}

extern "C" __global__ void gather_reals(
    const Real* x, const long long* index, Real* out, Real factor, int width, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = x[index[i / width] * width + i % width] * factor;
}
