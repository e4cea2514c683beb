"""How often the 95 % intervals of comparisons hold the truth: a simulation with a known truth.

    python benchmarks/interval_coverage.py [--repeats 2000]

Each repetition draws a test set, and models of several seeds, from a distribution whose true
metrics are known, and computes the intervals as ``firstlight runs compare`` does. An honest
interval holds the truth in 95 % of the repetitions. "drawn seeds" are the intervals that draw the
seeds with replacement, too, for comparison.
"""

import argparse

import numpy as np

from firstlight.metrics import F1, MAE, Accuracy, bootstrap

RESAMPLES = 1000
CLASSES = 4


def scores(predicted):
    """Return scores whose highest is that of the predicted class."""
    return np.eye(CLASSES)[predicted]


def classifiers(rng, n, accuracies, noise, shared=0.7):
    """Return labels, and each model's predictions; the models share which samples are hard."""
    y = rng.choice(CLASSES, size=n, p=[0.4, 0.3, 0.2, 0.1])
    hard = rng.standard_normal(n)
    found = []
    for accuracy in accuracies:
        true = np.clip(accuracy + noise * rng.standard_normal(), 0.02, 0.98)
        own = np.sqrt(shared) * hard + np.sqrt(1 - shared) * rng.standard_normal(n)
        right = own < normal_quantile(true)
        found.append(np.where(right, y, (y + rng.integers(1, CLASSES, n)) % CLASSES))
    return y, found


GRID = np.linspace(-8, 8, 200_001)
CDF = np.cumsum(np.exp(-(GRID**2) / 2))
CDF /= CDF[-1]


def normal_quantile(p):
    """Return the quantile of the standard normal distribution."""
    return np.interp(p, CDF, GRID)


def drawn_seeds(estimates, drawn, rng):
    """Return draws of samples and of seeds, both with replacement."""
    seeds, resamples = drawn.shape
    picks = rng.integers(seeds, size=(seeds, resamples))
    return drawn[picks, np.arange(resamples)].mean(axis=0)


def one_accuracy(rng, n, p):
    y, (a,) = classifiers(rng, n, [p], 0)
    terms = bootstrap.smoothed([Accuracy().terms(scores(a), y)])
    _, drawn = bootstrap.values_of_terms(Accuracy(), terms, rng, RESAMPLES)
    return bootstrap.interval(drawn[0]), p


def difference(rng, n, p, q):
    y, models = classifiers(rng, n, [p, q], 0)
    terms = bootstrap.smoothed([Accuracy().terms(scores(m), y) for m in models])
    _, drawn = bootstrap.values_of_terms(Accuracy(), terms, rng, RESAMPLES)
    return bootstrap.interval(drawn[0] - drawn[1]), p - q


def f1(rng, n, p):
    y, (a,) = classifiers(rng, n, [p], 0)
    _, drawn = bootstrap.values(F1(), [(scores(a), y)], rng, RESAMPLES)
    prior, wrong = np.array([0.4, 0.3, 0.2, 0.1]), (1 - p) / 3
    predicted = prior * p + (1 - prior) * wrong
    return bootstrap.interval(drawn[0]), np.mean(2 * prior * p / (prior + predicted))


def error(rng, n):
    e = rng.gamma(2.0, size=(n, 2)) * [1, 1.2] + rng.gamma(2.0, size=(n, 1))
    zero = np.zeros(n)
    _, drawn = bootstrap.values(
        MAE(), [(zero + e[:, 0], zero), (zero + e[:, 1], zero)], rng, RESAMPLES
    )
    return bootstrap.interval(drawn[0] - drawn[1]), -0.4


def with_seeds(rng, n, seeds, noise, over=bootstrap.over_seeds):
    """Return the interval of the difference of two settings, and its truth."""
    y, models = classifiers(rng, n, [0.85] * seeds + [0.8] * seeds, noise, shared=0.6)
    estimates, drawn = bootstrap.values(
        Accuracy(), [(scores(m), y) for m in models], rng, RESAMPLES
    )
    a = over(estimates[:seeds], drawn[:seeds], rng)
    b = over(estimates[seeds:], drawn[seeds:], rng)
    return bootstrap.interval(a - b), 0.05


CASES = {
    "accuracy 0.9, 300 samples": lambda rng: one_accuracy(rng, 300, 0.9),
    "accuracy 0.98, 300 samples": lambda rng: one_accuracy(rng, 300, 0.98),
    "difference 0.90 - 0.87, 300 samples": lambda rng: difference(rng, 300, 0.9, 0.87),
    "difference 0.97 - 0.96, 1,000 samples": lambda rng: difference(rng, 1000, 0.97, 0.96),
    "difference of equal models, 300 samples": lambda rng: difference(rng, 300, 0.9, 0.9),
    "macro F1, 400 samples": lambda rng: f1(rng, 400, 0.8),
    "difference of errors (MAE), 200 samples": lambda rng: error(rng, 200),
    **{
        f"{seeds} + {seeds} seeds, spread {noise}": lambda rng, s=seeds, d=noise: with_seeds(
            rng, 500, s, d
        )
        for seeds in (2, 3, 5, 10)
        for noise in (0.0, 0.01, 0.03)
    },
    **{
        f"{seeds} + {seeds} seeds, spread 0.03, drawn seeds": lambda rng, s=seeds: with_seeds(
            rng, 500, s, 0.03, drawn_seeds
        )
        for seeds in (2, 3, 5, 10)
    },
}


def coverage(case, repeats, seed=0):
    """Return the share of repetitions whose interval holds the truth."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(repeats):
        (low, high), truth = CASES[case](rng)
        hits += low <= truth <= high
    return hits / repeats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    print(f"of 95 % intervals hold the truth, in {repeats} repetitions:")
    for case in CASES:
        print(f"  {coverage(case, repeats):.1%}  {case}", flush=True)
