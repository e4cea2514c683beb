"""Philox in NumPy: what the kernels' random numbers are compared with."""

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def philox(counter, key):
    """Return the four words that Philox4x32-10 makes of each counter.

    Parameters
    ----------
    counter : array of uint32, shape (4, n)
    key : (int, int)
        32 bits each.

    Returns
    -------
    array of uint32, shape (4, n)

    References
    ----------
    Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011, section 3.3.
    """
    c = [row.astype("uint64") for row in counter]
    low, key = np.uint64(0xFFFFFFFF), list(key)
    for _ in range(ROUNDS):
        first, second = c[0] * np.uint64(MULTIPLIERS[0]), c[2] * np.uint64(MULTIPLIERS[1])
        c = [
            (second >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]),
            second & low,
            (first >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]),
            first & low,
        ]
        key = [(k + w) & 0xFFFFFFFF for k, w in zip(key, WEYL, strict=True)]
    return np.stack(c).astype("uint32")


def uniform(count, step, call, seed):
    """Return numbers in [0, 1), float32, of which each is a function of its place and the rest.

    Parameters
    ----------
    count : int
    step, call : int
        The pass, and the call in it.
    seed : int
        64 bits count.
    """
    element = np.arange(count, dtype="uint32")
    zeros = np.zeros_like(element)
    first = element // 128 * 32 + element % 32
    counter = np.stack([first, zeros + np.uint32(step), zeros + np.uint32(call), zeros])
    words = philox(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
    words = words[element // 32 % 4, element]
    return (words >> 8).astype("float32") * np.float32(2.0**-24)
