// Activations, element by element; p and q are the numbers of a kind of activation.

enum Kind { RELU, LEAKY_RELU, ELU, SIGMOID, TANH, SILU, SOFTPLUS, GELU_EXACT, GELU_TANH };

__device__ __forceinline__ Real sigmoid(Real x) { return 1 / (1 + exp(-x)); }

// σ(2u) of GELU's approximation with u = √(2/π) (x + 0.044715 x³); beyond 10 it is 0 or 1.
__device__ __forceinline__ Real gelu_sigmoid(Real x, Real* du) {
    const Real root = Real(0.79788456080286535588), cubic = Real(0.044715);
    x = x > 10 ? Real(10) : x < -10 ? Real(-10) : x;
    *du = root * (1 + 3 * cubic * x * x);
    return Real(0.5) * (1 + tanh(root * x * (1 + cubic * x * x)));
}

__device__ __forceinline__ Real normal_cdf(Real x) {
    return Real(0.5) * (1 + erf(x * Real(0.70710678118654752440)));
}

// y of x. Twins: the lessons, firstlight.nn.ReLU and others. Floor: n numbers read and written.
extern "C" __global__ void activation(const Stored* x, Stored* y, int kind, Real p, Real q, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Real v = x[i], du;
    switch (kind) {
        case RELU: v = v <= 0 ? Real(0) : v; break;
        case LEAKY_RELU: v = v > 0 ? v : p * v; break;
        case ELU: v = v > 0 ? v : p * expm1(v); break;
        case SIGMOID: v = sigmoid(v); break;
        case TANH: v = tanh(v); break;
        case SILU: v = v * sigmoid(v); break;
        case SOFTPLUS: v = p * v > q ? v : log1p(exp(p * v)) / p; break;
        case GELU_EXACT: v = v * normal_cdf(v); break;
        case GELU_TANH: v = v * gelu_sigmoid(v, &du); break;
    }
    y[i] = v;
}

// dx = dy · dy/dx, from x, or for ReLU, Sigmoid and Tanh from y.
// Twins: the lessons. Floor: 2 n numbers read, n written.
extern "C" __global__ void activation_dx(
    const Stored* saved, const Stored* dy, Stored* dx, int kind, Real p, Real q, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Real v = saved[i], slope = dy[i], s, du;
    switch (kind) {
        case RELU: slope = v <= 0 ? Real(0) : slope; break;  // inf · 0 would be NaN
        case LEAKY_RELU: slope = v > 0 ? slope : p * slope; break;
        case ELU: slope *= v > 0 ? Real(1) : p * expm1(v) + p; break;
        case SIGMOID: slope *= v * (1 - v); break;
        case TANH: slope *= 1 - v * v; break;
        case SILU: s = sigmoid(v), slope *= s * (1 + v * (1 - s)); break;
        case SOFTPLUS: slope *= p * v > q ? Real(1) : sigmoid(p * v); break;
        case GELU_EXACT:
            v = v > 40 ? Real(40) : v < -40 ? Real(-40) : v;  // inf · 0 would be NaN
            slope *= normal_cdf(v) + v * exp(Real(-0.5) * v * v) * Real(0.39894228040143267794);
            break;
        case GELU_TANH:
            s = gelu_sigmoid(v, &du);
            v = v > 10 ? Real(10) : v < -10 ? Real(-10) : v;
            slope *= s + v * s * (1 - s) * 2 * du;
            break;
    }
    dx[i] = slope;
}
