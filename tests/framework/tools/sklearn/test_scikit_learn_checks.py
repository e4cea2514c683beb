"""scikit-learn's own checks of an estimator."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from firstlight.sklearn import Classifier, Regressor

ROUNDING = "float32: a sample's last bits depend on its batch; it compares with 1e-7"
BATCHES = "samples are drawn in batches, so that a weight of 2 is not the sample drawn twice"
EXPECTED = {
    "check_methods_sample_order_invariance": ROUNDING,
    "check_methods_subset_invariance": ROUNDING,
    "check_sample_weight_equivalence_on_dense_data": BATCHES,
}
SMALL = {"hidden": (16,), "lr": 0.01, "max_epochs": 10}


@parametrize_with_checks(
    [Classifier(**SMALL), Regressor(**SMALL)], expected_failed_checks=lambda estimator: EXPECTED
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
