"""Splitting: which samples train, validate and test; by class, by group, in order, or by fold."""

from dataclasses import dataclass, replace

import numpy as np

from firstlight.data.splits import SPLITS
from firstlight.support import rng as randomness
from firstlight.support.array import Array


@dataclass
class Splitting:
    """How samples are split; see `firstlight.datasets.from_arrays`.

    Parameters
    ----------
    val_size, test_size : float
        A fraction below 1, or a number of samples.
    seed : int
    shuffle : bool
        If False, the first samples train, and the last ones test.
    folds : int
        If not 0, the number of folds for cross-validation, of which ``fold`` is the test data.
        ``val_size`` is then a share of the rest. Without ``shuffle``, fold k of K is block k + 1
        of K + 1 blocks, and the blocks before it train: no sample is later than those tested.
    fold : int
    """

    val_size: float = 0.1
    test_size: float = 0.1
    seed: int = 0
    shuffle: bool = True
    folds: int = 0
    fold: int = 0

    def indices(
        self,
        count: int,
        labels: Array | None = None,
        groups: Array | None = None,
        name: str = "data",
    ) -> tuple[Array, Array, Array]:
        """Return the indices of train, validation and test samples, each sorted.

        Parameters
        ----------
        count : int
            Number of samples.
        labels : array, shape (count,), optional
            Each label gets its share of every split, up to one sample; of groups, up to one group.
        groups : array, shape (count,), optional
            Samples of one group go to the same split.
        name : str
            Used in messages.

        Raises
        ------
        ValueError
            Sizes that leave nothing to train on; a fold that does not exist; groups in order.
        """
        folds, fold = self.folds, self.fold
        if fold and not folds:
            raise ValueError(f"{name}: fold={fold} needs folds, e.g. folds=5")
        if folds and not (2 <= folds < count and 0 <= fold < folds):
            raise ValueError(
                f"{name}: expected 2 to {count - 1} folds of {count} samples, and a fold from 0 to "
                f"folds - 1, got folds={folds}, fold={fold}"
            )
        if not self.shuffle:
            if groups is not None:
                raise ValueError(f"{name}: groups are split at random, so shuffle=False is refused")
            return self._in_order(count, name)
        rng = randomness.derived("split", self.seed)
        if groups is not None:
            return self._grouped(groups, labels, rng, name)
        order = rng.permutation(count)
        if labels is not None:
            # Sorted by label, evenly spaced picks take from each label in proportion to its number.
            order = order[np.argsort(labels[order], kind="stable")]
        if folds:
            tested = np.arange(count) % folds == fold
            test, order = order[tested], order[~tested]
            wanted = self._wanted(len(order), name)
        else:
            wanted = self._wanted(count, name)
            test, order = _take_evenly(order, wanted[1])
        val, train = _take_evenly(order, wanted[0])
        return np.sort(train), np.sort(val), np.sort(test)

    def _wanted(self, count, name):
        """Return the numbers of validation and test samples; the latter is 0 for folds."""
        test_size = 0 if self.folds else self.test_size
        wanted = (
            _number(self.val_size, count, "val_size", name),
            _number(test_size, count, "test_size", name),
        )
        if sum(wanted) >= count:
            sizes = f"val_size={self.val_size} and test_size={test_size} take {sum(wanted)}"
            raise ValueError(
                f"{name}: {sizes} of {count} samples and leave none to train on; make them smaller"
            )
        return wanted

    def _in_order(self, count, name):
        """Return indices in order: of folds + 1 blocks, the one after ``fold`` tests."""
        if self.folds:
            before, end = (round(count * (self.fold + k) / (self.folds + 1)) for k in (1, 2))
            val, test = self._wanted(before, name)[0], end - before
        else:
            (val, test), end = self._wanted(count, name), count
        ends = (end - test - val, end - test)
        return np.arange(ends[0]), np.arange(*ends), np.arange(ends[1], end)

    def _grouped(self, groups, labels, rng, name):
        """Return the indices where each group is in one split, of about the wanted size."""
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        group = np.argsort(np.argsort(first))[group]  # numbered as they occur, whatever their names
        count, kinds = len(group), np.zeros(len(group), "int64")
        if labels is not None:
            _, kinds = np.unique(labels, return_inverse=True)
        counts = np.zeros((group.max() + 1, kinds.max() + 1))  # (groups, kinds)
        np.add.at(counts, (group, kinds), 1)
        if self.folds:
            tested = _assign(counts, [1 / self.folds] * self.folds, rng) == self.fold  # (groups,)
            share = self._wanted(int(counts[~tested].sum()), name)[0] / counts[~tested].sum()
            chosen = np.full(len(counts), 2)
            chosen[~tested] = _assign(counts[~tested], [1 - share, share], rng)
        else:
            val, test = (number / count for number in self._wanted(count, name))
            chosen = _assign(counts, [1 - val - test, val, test], rng)
        parts = tuple(np.flatnonzero(chosen[group] == split) for split in range(3))
        asked = (1, self.val_size, self.folds or self.test_size)
        if any(size and not len(part) for size, part in zip(asked, parts, strict=True)):
            raise ValueError(
                f"{name}: {len(counts)} groups do not fill train, validation and test data: they "
                f"would have {', '.join(str(len(part)) for part in parts)} samples; set val_size "
                "or test_size to 0, or make fewer folds"
            )
        return parts


def _assign(counts, shares, rng):
    """Return a bin for each group, so that each bin gets its share of every kind of sample.

    Large groups are assigned first, each to the bin that lacks its samples most. This is the
    greedy rule of scikit-learn's `StratifiedGroupKFold`, for bins of any size.

    Parameters
    ----------
    counts : array, shape (groups, kinds)
        Number of samples of each kind in each group.
    shares : list of float
        Of the samples, for each bin; 0 for a bin that stays empty.
    """
    total = np.maximum(counts.sum(axis=0), 1)  # (kinds,)
    wanted = np.array(shares)[:, np.newaxis]  # (bins, 1)
    have = np.zeros((len(shares), counts.shape[1]))  # (bins, kinds)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    chosen = np.empty(len(counts), "int64")
    for group in order:
        lack = wanted - (have + counts[group] / 2) / total  # (bins, kinds)
        worth = (lack * counts[group] / total).sum(axis=1)  # (bins,)
        chosen[group] = np.where(wanted[:, 0] > 0, worth, -np.inf).argmax()
        have[chosen[group]] += counts[group]
    return chosen


def _take_evenly(order, number):
    """Return ``number`` evenly spaced entries, and all the others."""
    picked = np.zeros(len(order), bool)
    if number:
        picked[(2 * np.arange(number) + 1) * len(order) // (2 * number)] = True
    return order[picked], order[~picked]


def _number(size, count, what, name):
    if not size >= 0 or (size >= 1 and size != int(size)):
        raise ValueError(
            f"{name}: expected {what} to be a fraction below 1 or a whole number of samples, "
            f"got {size}"
        )
    return int(size) if size >= 1 else round(count * size)


@dataclass
class GivenSplits:
    """Samples that come as splits, one after the other; missing ones are taken from the training.

    Parameters
    ----------
    sizes : dict of str to int
        Number of samples of "train" and, where they are given, "val" and "test", in this order.
    rest : Splitting
        Takes the missing ones.
    """

    sizes: dict[str, int]
    rest: Splitting

    def indices(
        self,
        count: int,
        labels: Array | None = None,
        groups: Array | None = None,
        name: str = "data",
    ) -> tuple[Array, Array, Array]:
        """Return the indices of train, validation and test samples, as `Splitting.indices`."""
        train, lacking = self.sizes["train"], {"val", "test"} - self.sizes.keys()
        sizes = {f"{split}_size": 0 for split in ("val", "test") if split not in lacking}
        labels = None if labels is None else labels[:train]
        found = dict(
            zip(SPLITS, replace(self.rest, **sizes).indices(train, labels, name=name), strict=True)
        )
        start = train
        for split in ("val", "test"):
            if split not in lacking:
                found[split] = np.arange(start, start + self.sizes[split])
                start += self.sizes[split]
        return found["train"], found["val"], found["test"]
