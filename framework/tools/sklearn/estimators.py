"""Classifier and Regressor: networks as scikit-learn's estimators."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from firstlight.support.array import Array
from firstlight.tools.sklearn._estimator import Estimator
from firstlight.training.means import as_probabilities


class Classifier(ClassifierMixin, Estimator):
    """Train a network as a classifier of scikit-learn.

    Each `fit` creates a new network and trains it. Arguments of the network that the data
    determine, such as ``in_features``, are filled in as `firstlight fit` does.

    Parameters
    ----------
    model : str, class or function
        Name of an installed model, a subclass of `Module`, or a function that returns a module.
    hidden : tuple of int, optional
        Argument of the network; None leaves it out, so that the network's default holds.
    lr, weight_decay : float, optional
        The same.
    model_args : dict, optional
        Further arguments of the network.
    max_epochs : int
    batch_size : int
        All training samples if there are fewer.
    early_stopping : bool
        Set part of the training samples aside, stop when their loss no longer improves, and keep
        the weights of its lowest value.
    validation_fraction : float
        The part set aside, stratified by class.
    patience : int
        Epochs without an improvement after which to stop.
    callbacks : list of Callback or str, optional
        Copied before each fit.
    device : {"cpu", "cuda", "cuda:N", "auto"}
    runs_dir : path-like, optional
        Write each fit as a run into this folder; by default no file is written.
    random_state : int, RandomState or None
        Seed of initial weights, order of samples and dropout. With an int each fit gives the same
        bytes. None draws a seed from NumPy's global generator.
    verbose : bool
        Show the progress.

    Attributes
    ----------
    classes_ : array, shape (C,)
    n_features_in_ : int
    feature_names_in_ : array of str
        If X had column names.
    module_ : Module
        The trained network.
    history_ : History
        Everything that was logged.

    Raises
    ------
    TypeError
        The network does not take an argument; ``model`` is a module.
    ValueError
        X or y that scikit-learn refuses; a training that diverged.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from firstlight.sklearn import Classifier
    >>> x, y = load_iris(return_X_y=True)
    >>> net = make_pipeline(StandardScaler(), Classifier(max_epochs=20, random_state=0))
    >>> net.fit(x, y).score(x, y) > 0.9
    True
    """

    classes_: Array

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array_like or DataFrame, shape (N, ...)
            Images as (N, H, W, C).
        y : array_like, shape (N,)
            Labels of any type.
        sample_weight : array_like, shape (N,), optional
            Weight of each sample in the loss, 0 or more.

        Returns
        -------
        Classifier
        """
        X, y = validate_data(self, X, y, dtype="float32", allow_nd=True, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, labels = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        names = [str(label) for label in self.classes_]
        return self._fit(X, labels, sample_weight, names)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, float64 of shape (N, C)."""
        return as_probabilities(self._outputs(X))

    def predict(self, X: Any) -> Array:
        """Return the most probable label of each sample, shape (N,)."""
        scores = self._outputs(X)  # (N, C)
        return self.classes_[scores.argmax(axis=1)]

    def _outputs(self, X):
        scores = super()._outputs(X)
        if scores.ndim != 2 or scores.shape[1] != len(self.classes_):
            raise ValueError(
                f"Classifier: expected scores of shape (N, {len(self.classes_)}), one for each "
                f"class, from {type(self.module_).__name__}.forward, got {scores.shape}"
            )
        return scores

    def _fitted(self):
        dtype = self.classes_.dtype
        return {"classes_": self.classes_.tolist(), "dtype": "O" if dtype.hasobject else dtype.str}

    def _restored(self, fitted):
        dtype = np.dtype(fitted.pop("dtype"))
        return super()._restored(fitted | {"classes_": np.array(fitted["classes_"], dtype)})


class Regressor(RegressorMixin, Estimator):
    """Train a network as a regressor of scikit-learn, for one target or several.

    Targets are not scaled: wrap it in `sklearn.compose.TransformedTargetRegressor` unless they
    are near 0 and 1.

    Parameters
    ----------
    model, hidden, lr, weight_decay, model_args, max_epochs, batch_size, early_stopping
        As of `Classifier`, and so are those that follow.
    validation_fraction, patience, callbacks, device, runs_dir, random_state, verbose

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : array of str
        If X had column names.
    module_ : Module
        The trained network.
    history_ : History
        Everything that was logged.

    Raises
    ------
    TypeError
        The network does not take an argument; ``model`` is a module.
    ValueError
        X or y that scikit-learn refuses; a training that diverged.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.sklearn import Regressor
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> net = Regressor(model_args={"norm": None, "dropout": 0}, lr=0.01, random_state=0)
    >>> net.fit(x, np.sin(3 * x[:, 0])).score(x, np.sin(3 * x[:, 0])) > 0.9
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array_like or DataFrame, shape (N, ...)
        y : array_like, shape (N,) or (N, K)
        sample_weight : array_like, shape (N,), optional
            Weight of each sample in the loss, 0 or more.

        Returns
        -------
        Regressor
        """
        X, y = validate_data(
            self,
            X,
            y,
            dtype="float32",
            allow_nd=True,
            ensure_min_samples=2,
            multi_output=True,
            y_numeric=True,
        )
        self._flat = y.ndim == 1
        y = check_array(y, dtype="float32", ensure_2d=False, input_name="y")
        return self._fit(X, y.reshape(len(y), -1), sample_weight, None)

    def predict(self, X: Any) -> Array:
        """Return the predictions, float64 of the shape of y: (N,) or (N, K)."""
        found = self._outputs(X)
        return found.reshape(len(found)) if self._flat else found

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _fitted(self):
        return {"_flat": self._flat}
