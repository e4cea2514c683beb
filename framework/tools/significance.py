"""Intervals of test results, and verdicts: whether one setting is better than another.

Both are computed from the results of single test samples that runs keep
(`firstlight.runs.sample_results`), by the bootstrap of `firstlight.metrics.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from firstlight.metrics import Accuracy, bootstrap
from firstlight.metrics.mcnemar import mcnemar
from firstlight.runs import sample_results
from firstlight.runs.directions import direction
from firstlight.runs.experiments import grouped
from firstlight.runs.folder import RunFolder
from firstlight.support.array import Array
from firstlight.tools._amounts import amounts, in_words, is_share
from firstlight.tools.language import say
from firstlight.training import named_metrics

SIGNIFICANT = 0.05
FEWEST = 20  # test samples; the bootstrap's intervals of fewer are too short
CLOSE = 1e-3  # relative difference of a metric from the one that was logged
MANY = 20_000  # resamples of all runs together, from which on each run has fewer
ONE_SEED_EACH = "One seed each: other seeds may change this."
ONE_SEED = "One of them has a single seed: other seeds may change this."
DECIDED = "{better} is better than {other} on {name} by {by} ({facts})."
UNDECIDED = "These data do not show which is better on {name}: {a} - {b} is {by} ({facts})."


@dataclass
class Group:
    """Runs of one setting with different seeds.

    Attributes
    ----------
    label : str
    runs : list of RunFolder
    """

    label: str
    runs: list[RunFolder]


@dataclass
class Verdict:
    """The comparison of two groups by one metric.

    Attributes
    ----------
    metric : str
        E.g. "test_acc".
    a, b : str
        Labels of the groups.
    difference, low, high : float
        The metric of a minus that of b, and its 95 % interval.
    p : float or None
        Of McNemar's test, for the accuracy of two runs.
    samples : (int, int)
        Of the tests of a and b.
    seeds : (int, int)
    paired : bool
        Whether both were tested on the same samples.
    """

    metric: str
    a: str
    b: str
    difference: float
    low: float
    high: float
    p: float | None
    samples: tuple[int, int]
    seeds: tuple[int, int]
    paired: bool

    @property
    def better(self) -> str | None:
        """The label of the better group; None if the data do not show it.

        The interval must exclude 0, and McNemar's test, where there is one, must agree. Without
        that test, which is exact, `FEWEST` samples are needed.
        """
        shown = (self.low > 0 or self.high < 0) and not self._few
        if not shown or (self.p is not None and self.p >= SIGNIFICANT):
            return None
        return self.a if (self.difference > 0) == (direction(self.metric) == "max") else self.b

    @property
    def _few(self):
        return self.p is None and min(self.samples) < FEWEST

    def sentence(self) -> str:
        """Return the verdict as a sentence, in the language of `firstlight.tools.language`."""
        name = in_words(self.metric)
        facts = [say("95 % interval {low} to {high}"), *self._evidence()]
        text, sign = UNDECIDED, 1.0
        if self.better is not None:
            text, sign = DECIDED, 1.0 if self.difference > 0 else -1.0
        low, high = sorted((sign * self.low, sign * self.high))
        by, low, high = amounts(self.metric, sign * self.difference, low, high)
        facts = "; ".join(facts).format(low=low, high=high)
        other = self.b if self.better == self.a else self.a
        labels = {"a": self.a, "b": self.b, "better": self.better, "other": other}
        text = say(text).format(name=name, by=by, facts=facts, **labels)
        if 1 in self.seeds:
            each = self.seeds == (1, 1)
            text += " " + say(ONE_SEED_EACH if each else ONE_SEED)
        return text

    def _evidence(self):
        """Yield what the verdict is based on."""
        if self.p is not None:
            yield "McNemar p = " + f"{self.p:.2g}" if self.p >= 0.001 else "McNemar p < 0.001"
        if self.seeds != (1, 1):
            yield say("{a} and {b} seeds").format(a=self.seeds[0], b=self.seeds[1])
        if not self.paired:
            yield say("different test samples, not paired")
        counts = [f"{n:,}" for n in dict.fromkeys(self.samples)]
        yield say("{n} test samples").format(n=f" {say('and')} ".join(counts))
        if self._few:
            yield say("too few for a verdict")


class Significance:
    """Intervals and verdicts of groups of runs; everything is computed on first use.

    Parameters
    ----------
    groups : list of Group
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = list(groups)

    @cached_property
    def results(self) -> dict[str, dict[str, Array]]:
        """The results of single samples of each run, by its path."""
        runs = [run for group in self.groups for run in group.runs]
        return {str(run.path): sample_results.read(run.path) for run in runs}

    def without(self) -> list[RunFolder]:
        """Return the runs that keep no results of single samples."""
        runs = [run for group in self.groups for run in group.runs]
        return [run for run in runs if not self.results[str(run.path)]]

    def interval(self, name: str, runs: Sequence[RunFolder]) -> tuple[float, float] | None:
        """Return the 95 % interval of a test metric, of one run or of the mean over seeds."""
        found = self._found(runs)
        if not found or not name.startswith("test_"):
            return None
        drawn = _draws(name, runs, found, smooth=len(found) == 1)
        if drawn is None:
            return None
        low, high = bootstrap.interval(bootstrap.over_seeds(*drawn, _rng()))
        return (max(low, 0.0), min(high, 1.0)) if is_share(name) else (low, high)

    def verdict(self, name: str, a: Group, b: Group) -> Verdict | None:
        """Return the comparison of two groups by a test metric.

        It is None if a run keeps no results of single samples, or if the metric cannot be computed
        of them, or if its direction is unknown.
        """
        of_a, of_b = self._found(a.runs), self._found(b.runs)
        if not of_a or not of_b or not name.startswith("test_") or direction(name) is None:
            return None
        paired = len({str(one["digest"]) for one in (*of_a, *of_b)}) == 1
        single = len(of_a) == len(of_b) == 1
        if paired:
            runs, at = [*a.runs, *b.runs], len(of_a)
            together = _draws(name, runs, [*of_a, *of_b], smooth=single)
            both = together and [[one[:at] for one in together], [one[at:] for one in together]]
        else:
            both = [
                _draws(name, one.runs, found, smooth=single, seed=seed)
                for seed, (one, found) in enumerate([(a, of_a), (b, of_b)])
            ]
        if both is None or any(one is None for one in both):
            return None
        drawn = [bootstrap.over_seeds(*one, _rng(seed)) for seed, one in enumerate(both)]
        low, high = bootstrap.interval(drawn[0] - drawn[1])
        if is_share(name):
            low, high = max(low, -1.0), min(high, 1.0)
        p = _mcnemar(name, of_a[0], of_b[0]) if paired and single else None
        return Verdict(
            *(name, a.label, b.label),
            difference=float(both[0][0].mean() - both[1][0].mean()),
            low=low,
            high=high,
            p=p,
            samples=(_count(of_a), _count(of_b)),
            seeds=(len(of_a), len(of_b)),
            paired=paired,
        )

    def verdicts(self, names: Iterable[str], every: bool = False) -> list[Verdict]:
        """Return the verdicts of the first group against each of the others.

        Parameters
        ----------
        names : list of str
            Test metrics.
        every : bool
            Compare by all of them; by default by the accuracy, or else the first that allows it.
        """
        names = sorted(names, key=lambda name: name != "test_acc")
        found: list[Verdict] = []
        for other in self.groups[1:]:
            possible = filter(None, (self.verdict(name, self.groups[0], other) for name in names))
            found += possible if every else islice(possible, 1)
        return found

    def _found(self, runs):
        """Return the results of runs, [] if one has none."""
        found = [self.results[str(run.path)] for run in runs]
        return found if all(found) else []


def _count(results):
    """Return the number of test samples."""
    return min(len(array) for one in results for n, array in one.items() if n != "digest")


def _draws(name, runs, results, smooth=False, seed=0):
    """Return a metric of several runs and its values on the same draws; None if not possible."""
    if _count(results) < 2 and not (smooth and name == "test_acc"):
        return None
    rng, resamples = _rng(seed), min(bootstrap.RESAMPLES, MANY // len(results))
    try:
        with np.errstate(all="ignore"):
            estimates, drawn = _values(name.removeprefix("test_"), results, smooth, rng, resamples)
    except (LookupError, TypeError, ValueError):  # a metric of a script, or of the model
        return None
    logged = [run.metrics.get(name) for run in runs]
    same = [e if one is None else one for e, one in zip(estimates, logged, strict=True)]
    if not np.isfinite(estimates).all() or not np.allclose(estimates, same, rtol=CLOSE):
        return None  # diverged; or a metric with the name of another, or of another test
    return estimates, drawn


def _values(short, results, smooth, rng, resamples):
    """Return a metric by name of several models, and its values on the same draws."""
    if short not in ("loss", "acc"):
        tests = [(one["prediction"], one["target"]) for one in results]
        return bootstrap.values(named_metrics.metric(short), tests, rng, resamples)
    terms = [one[short].astype("float64") for one in results]
    estimates = np.array([one[:, 0].sum() / one[:, 1].sum() for one in terms])
    if short == "acc" and smooth and all(_is_right_or_wrong(one) for one in terms):
        terms = bootstrap.smoothed(terms)
    return estimates, bootstrap.values_of_terms(Accuracy(), terms, rng, resamples)[1]


def _is_right_or_wrong(terms):
    return (terms[:, 1] == 1).all()


def _mcnemar(name, a, b):
    """Return the p-value of the accuracy of two runs; None for another metric."""
    if name != "test_acc" or not (_is_right_or_wrong(a["acc"]) and _is_right_or_wrong(b["acc"])):
        return None
    return mcnemar(a["acc"][:, 0] > 0, b["acc"][:, 0] > 0)


def _rng(seed=0):
    return np.random.default_rng([2026, seed])  # the same figures each time


def groups(runs: Sequence[RunFolder]) -> list[Group]:
    """Return the groups of runs that differ in the seed only, in the order of the runs.

    The label of a group is the name of its runs, or, if others have that too, name and end of id.
    """
    found = grouped(runs)
    names = [group[0].name for group in found]
    return [
        Group(name if names.count(name) == 1 else f"{name}/{group[0].id[-4:]}", group)
        for name, group in zip(names, found, strict=True)
    ]
