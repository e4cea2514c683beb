import numpy as np


def powers(x, degree):
    points = [float(value) for value in np.asarray(x).flatten()]
    matrix = np.ones((len(points), degree + 1))
    for n, point in enumerate(points):
        for k in range(1, degree + 1):
            matrix[n, k] = matrix[n, k - 1] * point
    return matrix


def least_squares(phi, t, *, ridge=0.0, method="svd"):
    phi, t = np.asarray(phi, float), np.asarray(t, float).reshape(-1)
    u, s, vt = np.linalg.svd(phi, full_matrices=False)
    w = np.zeros(phi.shape[1])
    for k in range(len(s)):
        if s[k] > 1e-14 * s[0]:
            w += s[k] / (s[k] ** 2 + ridge) * (u[:, k] @ t) * vt[k]
    return w
