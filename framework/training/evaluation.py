"""Evaluation and prediction: one pass over data without learning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.named_loaders import NamedLoaders, by_name
from firstlight.distributed.sharding import shards, weight_of
from firstlight.support.backend import to_host
from firstlight.support.batches import placed, sample_count
from firstlight.support.logged_values import LoggedValues
from firstlight.training import checks
from firstlight.training.means import MeanMetrics

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module
    from firstlight.training.interrupt import Interrupt
    from firstlight.training.limits import Limits


@dataclass
class Evaluator:
    """Apply a module to data, for means of loss and metrics or for predictions.

    Attributes
    ----------
    module : Module
    hook : namespace of callables
        See `firstlight.training.hook_manager.HookManager.bind`.
    limits : Limits
    communicator : Communicator
        Each rank evaluates its shard of every batch.
    device, dtype : str
        Where batches are put, floating arrays as ``dtype``.
    """

    module: Module
    hook: SimpleNamespace
    limits: Limits
    communicator: Communicator
    device: str
    dtype: Any

    def evaluate(
        self,
        loader: Iterable[Any],
        stage: str,
        interrupt: Interrupt | None = None,
        most: int | None = None,
    ) -> dict[str, float] | None:
        """Return the means of loss and metrics over the data, e.g. ``{"val_loss": 0.1}``.

        Batches are weighted by their `StepOutput.denominators`. If a step gives none, they are
        weighted by the data set's ``weight``, or else by their samples. A data set may have metrics
        of its own; see `firstlight.data.dataset`. The means over `NamedLoaders` are those over all
        their batches, and those of each one, e.g. ``val_loss/clean``.

        Parameters
        ----------
        loader : iterable of batches
        stage : {"val", "test"}
            Prefix of the names.
        interrupt : Interrupt, optional
            If requested meanwhile, restore the loader's position and return None.
        most : int, optional
            Number of batches of each loader at most; return None if nothing counts in them.

        Raises
        ------
        ValueError
            All denominators are 0.
        """
        module, hook, means = self.module, self.hook, MeanMetrics()
        place = loader.state_dict() if hasattr(loader, "state_dict") else None
        module.eval()
        hook.on_validation_start(stage=stage)
        if stage == "test":
            hook.on_test_start()
        indices = count()
        for name, one in by_name(loader).items():
            with _naming(name, stage):
                for batch in islice(self.batches(one, stage), most):
                    if interrupt is not None and interrupt.requested:
                        if place is not None:
                            loader.load_state_dict(place)  # the next evaluation repeats this one
                        module.train()
                        return None
                    seen = {"batch": batch, "batch_idx": next(indices), "data_name": name}
                    self._add(means, getattr(one, "data", None), stage, seen)
        means = means.over(self.communicator)
        for name in by_name(loader):
            if means.is_void(f"loss/{name}" if name else "loss"):
                if most is not None:  # the other batches may have targets that count
                    return None
                where = f"the {stage} data" + (f" {name!r}" if name else "")
                raise ValueError(checks.nothing_counts(where))
        metrics = {f"{stage}_{name}": value for name, value in means.compute().items()}
        hook.on_validation_end(stage=stage, metrics=metrics)
        if stage == "test":
            hook.on_test_end(metrics=metrics)
        return metrics

    def predict(self, loader: Iterable[Any]) -> Any:
        """Return the module's predictions for all batches, joined, as NumPy arrays.

        Parameters
        ----------
        loader : iterable of batches

        Returns
        -------
        array, or dict or tuple of arrays
            As ``predict_step`` returns them, with all samples along the first axis.

        Raises
        ------
        TypeError, ValueError
            There is no batch; ``predict_step`` returned no arrays, arrays without one entry for
            each sample, or arrays that cannot be joined.
        """
        if isinstance(loader, NamedLoaders):
            raise TypeError(
                f"predict: expected one set of data, got {len(loader.loaders)} by name "
                f"({', '.join(loader.loaders)}); predict each by itself"
            )
        module, parts = self.module, []
        who = f"{type(module).__name__}.predict_step"
        module.eval()
        self.hook.on_predict_start()
        for index, batch in enumerate(self.batches(loader, "predict")):
            predicted = _checked(who, module.predict_step(batch), batch)
            parts.append(predicted)
            self.hook.on_predict_batch_end(output=predicted, batch=batch, batch_idx=index)
        by_batch = zip(*self.communicator.gather(parts), strict=True)  # one tuple of ranks a batch
        parts = [part for ranks in by_batch for part in ranks]
        if not parts:
            raise ValueError(
                "predict: there is no batch to predict; the data are empty, or "
                "limit_predict_batches leaves nothing of them"
            )
        predictions = _join(who, parts)
        self.hook.on_predict_end(predictions=predictions)
        return predictions

    def _add(self, means, data, stage, seen):
        """Evaluate a batch of a data set, and add its values to the means."""
        module, batch, name = self.module, seen["batch"], seen["data_name"]
        weight = weight_of(batch)
        if weight == 0:  # fewer samples than ranks
            return
        logged = LoggedValues()
        with logged:
            output = module.validation_step(batch)
        checks.step_output(module, output, "validation_step")
        logged.add_to(output, module)
        values = {"loss": output.loss, **output.metrics}
        if hasattr(data, "metrics"):
            own = data.metrics(output.prediction, batch)
            checks.metrics(f"{type(data).__name__}.metrics", own)
            values |= own
        weight = data.weight(batch) if hasattr(data, "weight") else weight
        if weight:
            means.add(values, weight, output.denominators)
            if name:
                means.add(_of(name, values), weight, _of(name, output.denominators))
        self.hook.on_validation_batch_end(output=output, **seen, stage=stage)
        if stage == "test":
            self.hook.on_test_batch_end(output=output, **seen)

    def batches(self, loader: Iterable[Any], stage: str) -> Iterator[Any]:
        """Yield the loader's batches within the stage's limit, on the device."""
        limit = self.limits.count(stage, len(loader))
        for batch in islice(shards(loader, self.communicator), limit):
            yield placed(batch, self.device, self.dtype)


@contextmanager
def _naming(name, stage):
    """Add a note to an exception that names the one of several data sets in which it occurs."""
    try:
        yield
    except Exception as error:
        if name:
            error.add_note(f"in the {stage} data {name!r}")
        raise


def _of(name, values):
    """Return the values of one of several data sets, under its name."""
    return {f"{value}/{name}": values[value] for value in values}


def _checked(who, result, batch):
    """Return the result of a predict_step as NumPy arrays, with one entry for each sample."""
    if isinstance(result, dict) and result:
        return {name: _checked(f"{who}[{name!r}]", one, batch) for name, one in result.items()}
    if isinstance(result, (tuple, list)) and result:
        return tuple(_checked(f"{who}[{i}]", one, batch) for i, one in enumerate(result))
    if not hasattr(result, "dtype"):
        raise TypeError(
            f"{who} returned {type(result).__name__}; end it with: return y, an array with one "
            "entry for each sample, or a dict or tuple of such arrays"
        )
    count = sample_count(batch)
    if result.shape[:1] != (count,):
        raise ValueError(
            f"{who}: expected {count} entries along the first axis, one for each sample of the "
            f"batch, got shape {result.shape}; reshape it, e.g. y.reshape({count}, ...)"
        )
    return to_host(result)[: weight_of(batch)]


def _join(who, parts):
    """Return the parts of all batches as one array, dict or tuple."""
    first = parts[0]
    kinds = {_kind(part) for part in parts}
    if len(kinds) > 1:
        raise ValueError(
            f"{who}: expected the same for each batch, got {' and '.join(sorted(kinds))}; to join "
            "arrays of different widths, pad them to one width there, or predict with one batch"
        )
    if isinstance(first, dict):
        return {name: _join(f"{who}[{name!r}]", [part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_join(f"{who}[{i}]", [p[i] for p in parts]) for i in range(len(first)))
    return np.concatenate(parts)


def _kind(part):
    """Describe the structure that parts must share to be joined."""
    if isinstance(part, dict):
        return f"a dict of {', '.join(map(str, part))}"
    if isinstance(part, tuple):
        return f"a tuple of {len(part)}"
    return f"arrays of shape (N{''.join(f', {n}' for n in part.shape[1:])})"
