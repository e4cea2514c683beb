"""Splitting by folds, groups and order."""

import numpy as np
import pytest

from firstlight.datasets import from_arrays, load
from firstlight.datasets.splitting import Splitting

RNG = np.random.default_rng(0)
LABELS = RNG.choice(3, 300, p=[0.7, 0.2, 0.1])
GROUPS = RNG.integers(0, 60, 300)


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("labels", [None, LABELS])
def test_each_sample_is_tested_in_one_fold(labels, groups):
    found = [Splitting(folds=5, fold=k).indices(300, labels, groups) for k in range(5)]
    for parts in found:
        assert sorted(np.concatenate(parts)) == list(range(300))
        assert len(parts[1]) == pytest.approx(24, abs=4 * (groups is not None))
    tests = [test for _, _, test in found]
    assert sorted(np.concatenate(tests)) == list(range(300))
    slack = 0 if groups is None else 6
    assert np.ptp([len(test) for test in tests]) <= slack
    if labels is not None:
        counts = np.array([np.bincount(LABELS[test]) for test in tests])  # (folds, classes)
        assert (np.ptp(counts, axis=0) <= max(1, slack)).all()


@pytest.mark.parametrize("folds", [0, 4])
@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_in_one_split(folds, seed):
    splitting = Splitting(0.2, 0.3, seed, folds=folds)
    parts = splitting.indices(300, LABELS, GROUPS)
    groups = [set(GROUPS[part].tolist()) for part in parts]
    assert len(set().union(*groups)) == sum(map(len, groups))
    wanted = (180, 45, 75) if folds else (150, 60, 90)
    np.testing.assert_allclose([len(part) for part in parts], wanted, atol=8)
    other = Splitting(0.2, 0.3, seed + 1, folds=folds).indices(300, LABELS, GROUPS)
    assert other[2].tolist() != parts[2].tolist()


def test_stratified_groups_are_as_even_as_those_of_scikit_learn():
    pytest.importorskip("sklearn", reason="scikit-learn is the oracle")
    from sklearn.model_selection import StratifiedGroupKFold

    def spread(tests):
        shares = [np.bincount(LABELS[test], minlength=3) / len(test) for test in tests]
        return np.std(shares, axis=0).max()

    own = [Splitting(folds=5, fold=k).indices(300, LABELS, GROUPS)[2] for k in range(5)]
    oracle = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    theirs = [test for _, test in oracle.split(LABELS, LABELS, GROUPS)]
    assert spread(own) <= 1.2 * spread(theirs)


def test_samples_in_order():
    train, val, test = Splitting(0.1, 5, shuffle=False).indices(20)
    assert (train.tolist(), val.tolist()) == (list(range(13)), [13, 14])
    assert test.tolist() == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(
    ("splitting", "groups", "message"),
    [
        (Splitting(folds=1), None, "data: expected 2 to 299 folds of 300 samples, and a fold from"),
        (Splitting(folds=5, fold=5), None, "got folds=5, fold=5"),
        (Splitting(fold=1), None, "fold=1 needs folds, e.g. folds=5"),
        (Splitting(shuffle=False), GROUPS, "groups are split at random, so shuffle=False"),
        (Splitting(), GROUPS % 2, "2 groups do not fill train, validation and test data"),
        (Splitting(folds=4), GROUPS % 3, "3 groups do not fill train, validation and test data"),
        (Splitting(0.9, folds=2), GROUPS % 2, "do not fill"),
    ],
)
def test_splits_that_cannot_be_made(splitting, groups, message):
    with pytest.raises(ValueError, match=message):
        splitting.indices(300, None, groups)


def test_groups_and_folds_of_arrays_and_tables(tmp_path):
    x = np.arange(300.0)[:, np.newaxis]
    splits = from_arrays(x, LABELS, groups=GROUPS, folds=3, fold=1)
    assert not set(GROUPS[splits.test[:][0][:, 0].astype(int)]) & set(
        GROUPS[splits.train[:][0][:, 0].astype(int)]
    )
    with pytest.raises(ValueError, match=r"expected a group for each sample, got shape \(3,\)"):
        from_arrays(x, LABELS, groups=[1, 2, 3])
    rows = [f"{i},p{g},{label}" for i, (g, label) in enumerate(zip(GROUPS, LABELS, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(["row,patient,kind", *rows]))
    arguments = {"group": "patient", "standardize": False, "folds": 3, "fold": 1}
    table = load(tmp_path / "t.csv", **arguments)
    assert table.info["columns"] == ["row"]
    np.testing.assert_array_equal(table.test[:][0], splits.test[:][0])
