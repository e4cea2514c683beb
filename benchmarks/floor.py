"""The floor of a step, for `step.py`: its matrix products, and one pass of Adam's update."""

from turns import BATCHES


def gemms(work, batch, size, peer, folder, turns):
    """The matrix products of a step, and nothing else, on arrays made beforehand."""
    import numpy as np

    rng, products = np.random.default_rng(0), []
    for *lead, m, k, n in work.gemms(batch, **size):
        a, b = rng.random((*lead, m, k), "float32"), rng.random((*lead, k, n), "float32")
        products.append((a, b, np.zeros((*lead, m, n), "float32")))

    def step(_):
        for a, b, out in products:
            np.matmul(a, b, out=out)

    turns.serve(step, range(BATCHES))
    return None, None


def adam(work, batch, size, peer, folder, turns):
    """One compiled pass over data, gradients and moments, of as many parameters as the net has."""
    import numba
    import numpy as np

    @numba.njit(parallel=True, error_model="numpy")
    def descend(w, g, m, v, rate, eps):
        one, beta1, beta2 = np.float32(1), np.float32(0.9), np.float32(0.999)
        for i in numba.prange(w.size):
            m[i] = beta1 * m[i] + (one - beta1) * g[i]
            v[i] = beta2 * v[i] + (one - beta2) * g[i] * g[i]
            w[i] -= rate * m[i] / (np.sqrt(v[i]) + eps)

    count = sum(parameter.size for parameter in work.ours(batch, **size).parameters())
    rng = np.random.default_rng(0)
    w, g, m, v = (rng.random(count, "float32") for _ in range(4))
    rate, eps = np.float32(1e-3), np.float32(1e-8)
    turns.serve(lambda _: descend(w, g, m, v, rate, eps), range(BATCHES))
    return count, None
