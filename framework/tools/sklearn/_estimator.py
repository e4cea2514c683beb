"""What Classifier and Regressor share: parameters, training, prediction, pickling, files."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from firstlight import plugins
from firstlight.checkpoints.format import Checkpoint
from firstlight.data.loader import DataLoader
from firstlight.data.splits import ArrayDataset, DataSplits
from firstlight.module import Module
from firstlight.runs.history import History
from firstlight.support.arguments import parse_count
from firstlight.support.array import Array
from firstlight.support.construction import is_plain
from firstlight.tools.cli.data_arguments import arguments_from_data
from firstlight.tools.sklearn import _network
from firstlight.trainer import Trainer
from firstlight.training.setup import NEED_RUN

PREDICTED = 1024  # samples in a batch of predictions
SHORTHANDS = ("hidden", "lr", "weight_decay")  # arguments of the network with a parameter here


class Estimator(BaseEstimator):
    """Base class of `Classifier` and `Regressor`."""

    module_: Module
    history_: History
    n_features_in_: int

    def __init__(
        self,
        model: _network.Model = "mlp",
        *,
        hidden: tuple[int, ...] | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        model_args: dict[str, Any] | None = None,
        max_epochs: int = 50,
        batch_size: int = 32,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        callbacks: list[Any] | None = None,
        device: str = "cpu",
        runs_dir: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.hidden = hidden
        self.lr = lr
        self.weight_decay = weight_decay
        self.model_args = model_args
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.callbacks = callbacks
        self.device = device
        self.runs_dir = runs_dir
        self.random_state = random_state
        self.verbose = verbose

    # --- training and prediction --------------------------------------------------------------

    def _fit(self, x: Array, y: Array, sample_weight: Any, classes: list[str] | None) -> Self:
        """Train a new network on checked inputs and targets."""
        who = type(self).__name__
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._check_parameters(who)
        samples = (x, y)
        if sample_weight is not None:
            samples += (_check_sample_weight(sample_weight, x, ensure_non_negative=True),)
        splits = self._splits(samples, classes, seed)
        make = _network.maker(who, self.model)
        values = {n: getattr(self, n) for n in SHORTHANDS if getattr(self, n) is not None}
        values |= self.model_args or {}
        values = _network.arguments(who, make, values, arguments_from_data(splits))
        with _network.own_random_numbers(seed):
            module = _network.create(make, values)
            trainer = self._trainer(seed)
            history = trainer.fit(module, splits)
        if trainer.interrupted:
            warnings.warn(f"{who}: the training was interrupted", stacklevel=3)
        _to_cpu(module).eval()
        last = history["train_loss"][-1:] if "train_loss" in history else []
        if not all(np.isfinite(array).all() for array in (last, *module.state_dict().values())):
            raise ValueError(
                f"{who}: the training diverged: loss or weights are not finite; lower lr, or "
                "scale X, e.g. make_pipeline(StandardScaler(), ...)"
            )
        self.module_, self.history_ = module, history
        self._made = make, values
        return self

    def _check_parameters(self, who):
        parse_count(f"{who}: max_epochs", self.max_epochs)
        parse_count(f"{who}: batch_size", self.batch_size)
        if not isinstance(self.model_args or {}, dict):
            raise TypeError(f"{who}: model_args: expected a dict, got {self.model_args!r}")
        if self.early_stopping and not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"{who}: validation_fraction: expected a number between 0 and 1, got "
                f"{self.validation_fraction}"
            )

    def _splits(self, samples, classes, seed):
        """Return training data, and validation data for early stopping."""
        parts = {"train": samples}
        if self.early_stopping:
            from sklearn.model_selection import train_test_split

            halves = train_test_split(
                *samples,
                test_size=self.validation_fraction,
                stratify=None if classes is None else samples[1],
                random_state=seed,
            )
            parts = {"train": tuple(halves[::2]), "val": tuple(halves[1::2])}
        size = min(self.batch_size, len(parts["train"][0]))
        return DataSplits(**parts, name="X", classes=classes, batch_size=size)

    def _trainer(self, seed):
        callbacks = copy.deepcopy(list(self.callbacks or []))  # parameters stay as they are
        named = plugins.registry("callback").get
        if self.early_stopping:
            stopping = named("early_stopping")("val_loss", self.patience, restore_best=True)
            callbacks.append(stopping)
        usual = ("progress_bar",) * bool(self.verbose) + NEED_RUN * (self.runs_dir is not None)
        for name in usual:
            if not any(one == name or isinstance(one, named(name)) for one in callbacks):
                callbacks.append(name)
        return Trainer(
            max_epochs=self.max_epochs,
            device=self.device,
            seed=seed,
            callbacks=callbacks,
            default_callbacks=False,
            runs_dir=self.runs_dir,
        )

    def _outputs(self, X: Any) -> Array:
        """Return the network's outputs for samples, as float64."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype="float32", allow_nd=True, reset=False)
        trainer = Trainer(device=self.device, default_callbacks=False, runs_dir=None)
        loader = DataLoader(ArrayDataset(x, name="X"), min(PREDICTED, len(x)))
        found = trainer.predict(self.module_, loader).astype("float64")
        _to_cpu(self.module_)
        return found

    # --- pickling and files -------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and attributes; the network as bytes in the format safetensors."""
        state = dict(super().__getstate__())
        if "module_" in state:
            state["module_"] = _network.as_bytes(self.module_)
            state["history_"] = self.history_.records
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state that `__getstate__` returned."""
        super().__setstate__(state)
        if "module_" in state:
            self.module_ = _network.from_bytes(*self._made, state["module_"])
            self.history_ = History(state["history_"])

    def save(self, path: str | Path) -> None:
        """Write a fitted estimator to a file, without pickle: the format of checkpoints.

        Callbacks are not in the file, nor parameters other than numbers, texts, and lists and
        dicts of them. `load` sets these to their defaults.

        Raises
        ------
        sklearn.exceptions.NotFittedError
        TypeError
            ``model_args`` are not JSON-able.
        """
        check_is_fitted(self)
        fitted = {"n_features_in_": self.n_features_in_}
        if hasattr(self, "feature_names_in_"):
            fitted["feature_names_in_"] = self.feature_names_in_.tolist()
        parameters = {n: v for n, v in self.get_params(deep=False).items() if _is_json(v)}
        parameters.pop("callbacks", None)  # their names could be those of any code
        kept = {
            "estimator": type(self).__name__,
            "parameters": parameters,
            "arguments": self._made[1],
            "fitted": fitted | self._fitted(),
            "records": self.history_.records,
        }
        Checkpoint(self.module_.state_dict(), config=kept).save(path)

    @classmethod
    def load(cls, path: str | Path, *, model: _network.Model | None = None) -> Self:
        """Return the estimator in a file that `save` has written.

        Parameters
        ----------
        path : path-like
        model : class or function, optional
            Needed unless ``model`` was the name of an installed model: the file names no code.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            It holds something else; ``model`` is missing.
        """
        checkpoint = Checkpoint.load(path)
        kept = checkpoint.config
        if kept.get("estimator") != cls.__name__:
            raise ValueError(
                f"{cls.__name__}.load: {path}: expected a file of {cls.__name__}.save, got one of "
                f"{kept.get('estimator') or 'a training'}"
            )
        parameters = kept["parameters"] | {"callbacks": None}
        if model is not None:
            parameters["model"] = model
        elif ":" in parameters.get("model", ":"):  # "package.module:Class"
            raise ValueError(
                f"{cls.__name__}.load: {path} has no code of its network; pass its class: "
                f"{cls.__name__}.load(path, model=Net)"
            )
        found = cls(**parameters)
        found._made = _network.maker(cls.__name__, found.model), kept["arguments"]
        found.module_ = _network.restored(*found._made, checkpoint.model)
        found.history_ = History(kept["records"])
        for name, value in found._restored(kept["fitted"]).items():
            setattr(found, name, value)
        return found

    def _fitted(self) -> dict[str, Any]:
        """Return JSON-able fitted attributes of a subclass."""
        return {}

    def _restored(self, fitted: dict[str, Any]) -> dict[str, Any]:
        """Return the fitted attributes from JSON."""
        if "feature_names_in_" in fitted:
            fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], object)
        return fitted


def _to_cpu(module):
    """Move a module to the CPU, if it is not there: `Module.to` takes milliseconds."""
    there = all(isinstance(parameter.data, np.ndarray) for parameter in module.parameters())
    return module if there else module.to(device="cpu")


def _is_json(value):
    if isinstance(value, dict):
        return all(isinstance(n, str) and _is_json(v) for n, v in value.items())
    return is_plain(value)
