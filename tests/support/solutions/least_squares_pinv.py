import numpy as np


def powers(x, degree):
    x = np.asarray(x, dtype=np.float64).reshape(-1, 1)
    return x ** np.arange(degree + 1)


def least_squares(phi, t, *, ridge=0.0, method="svd"):
    t = column("t", t)  # noqa: F821  given
    phi = np.asarray(phi, np.float64)
    m = phi.shape[1]
    rows = np.vstack((phi, np.sqrt(ridge) * np.eye(m)))
    if method == "qr":
        q, r = np.linalg.qr(rows)
        return np.linalg.inv(r) @ (q[: len(t)].T @ t)
    return np.linalg.pinv(rows) @ np.hstack((t, np.zeros(m)))
