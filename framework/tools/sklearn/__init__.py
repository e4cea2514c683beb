"""Estimators for scikit-learn: networks in pipelines, cross-validation and grid searches.

They need the extra ``sklearn``. Without it the import fails.
"""

from firstlight.support.extras import require

require("firstlight.sklearn", "sklearn", extra="sklearn")

from firstlight.tools.sklearn.estimators import Classifier, Regressor  # noqa: E402

__all__ = ["Classifier", "Regressor"]
