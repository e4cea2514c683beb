"""Evaluation and prediction: one pass over data without learning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from firstlight.data.named_loaders import NamedLoaders, by_name
from firstlight.distributed.sharding import shards, weight_of
from firstlight.support import rng
from firstlight.support.batches import copied, placed
from firstlight.support.logged_values import LoggedValues
from firstlight.training import checks
from firstlight.training.captures import Captures, objection
from firstlight.training.hook_manager import no_call
from firstlight.training.means import MeanMetrics, on_device
from firstlight.training.predictions import checked, joined

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module
    from firstlight.training.interrupt import Interrupt
    from firstlight.training.limits import Limits

WORK: dict[str, str] = {"validation_step": "evaluations", "predict_step": "predictions"}


@dataclass
class Evaluator:
    """Apply a module to data, for means of loss and metrics or for predictions.

    On a GPU the work on a batch is captured as a graph, see `firstlight.training.captures`, and the
    host does not wait before the means are complete.

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
    capture : bool
        Capture graphs.
    means : MeanMetrics
        Of the current evaluation, or the latest.
    captures : dict of tuple to Captures
        By the module's method and the name of the data.
    """

    module: Module
    hook: SimpleNamespace
    limits: Limits
    communicator: Communicator
    device: str
    dtype: Any
    capture: bool = True
    means: MeanMetrics = field(default_factory=MeanMetrics)
    captures: dict[tuple[str, str], Captures] = field(default_factory=dict)

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
        module, hook = self.module, self.hook
        self.means.reset()
        rng.begin_call()  # random numbers on a GPU are the same whether steps were captured or not
        place = loader.state_dict() if hasattr(loader, "state_dict") else None
        module.eval()
        hook.on_validation_start(stage=stage)
        if stage == "test":
            hook.on_test_start()
        indices = count()
        for name, one in by_name(loader).items():
            with _naming(name, stage):
                for batch, weight in islice(self._weighed(one, stage), most):
                    if interrupt is not None and interrupt.requested:
                        if place is not None:
                            loader.load_state_dict(place)  # the next evaluation repeats this one
                        module.train()
                        return None
                    seen = {"batch": batch, "batch_idx": next(indices), "data_name": name}
                    self._add(getattr(one, "data", None), weight, stage, seen)
        means = self.means.over(self.communicator)
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
            predicted = self._replayed("predict_step", "", batch, module.predict_step, {})
            if predicted is None:
                predicted = module.predict_step(batch)
            predicted = checked(who, predicted, batch)
            parts.append(predicted)
            self.hook.on_predict_batch_end(output=predicted, batch=batch, batch_idx=index)
        by_batch = zip(*self.communicator.gather(parts), strict=True)  # one tuple of ranks a batch
        parts = [part for ranks in by_batch for part in ranks]
        if not parts:
            raise ValueError(
                "predict: there is no batch to predict; the data are empty, or "
                "limit_predict_batches leaves nothing of them"
            )
        predictions = joined(who, parts)
        self.hook.on_predict_end(predictions=predictions)
        return predictions

    def _add(self, data, weight, stage, seen):
        """Evaluate a batch of a data set, and add its values to the means."""
        batch, name = seen["batch"], seen["data_name"]
        if weight_of(batch) == 0:  # fewer samples than ranks
            return
        metrics = data.metrics if hasattr(data, "metrics") else None
        work = partial(self._evaluated, name=name, weight=weight, metrics=metrics)
        settings = {"weight of the batches": weight, "method metrics": metrics}
        replayed = self._replayed("validation_step", name, batch, work, settings)
        output, values = work(batch) if replayed is None else replayed
        if weight:
            self.means.count(values, weight, output.denominators)
            if name:
                self.means.count(_of(name, values), weight, _of(name, output.denominators))
        hooks = [partial(self.hook.on_validation_batch_end, stage=stage)]
        hooks += [self.hook.on_test_batch_end] if stage == "test" else []
        if replayed is not None and any(
            getattr(hook, "func", hook) is not no_call for hook in hooks
        ):
            output = _copy_of(output)  # the graph's own is overwritten by the next batch
        for hook in hooks:
            hook(output=output, **seen)

    def _evaluated(self, batch, name, weight, metrics):
        """Return the output of a batch, and its values, which are added to the means."""
        module, logged = self.module, LoggedValues()
        with logged:
            output = module.validation_step(batch)
        checks.step_output(module, output, "validation_step")
        logged.add_to(output, module)
        values = {"loss": output.loss, **output.metrics}
        if metrics is not None:
            own = metrics(output.prediction, batch)
            checks.metrics(f"{type(metrics.__self__).__name__}.metrics", own)
            values |= own
        if weight:
            self.means.add_values(values, weight, output.denominators)
            if name:
                self.means.add_values(_of(name, values), weight, _of(name, output.denominators))
        return output, values

    def _replayed(self, method, name, batch, work, settings):
        """Return the work on a batch by a graph, or None; see `Captures.replay`."""
        if self.device == "cpu":
            return None
        if (method, name) not in self.captures:
            given_up = (one for one in self.captures.values() if one.reason)
            self.captures[method, name] = next(given_up, None) or Captures(
                *(WORK[method], self.module),
                objection(self.module, method, capture=self.capture),
            )
        return self.captures[method, name].replay(batch, work, settings)

    def _weighed(self, loader, stage):
        """Yield ``(batch, weight)``; the weight is counted before the batch is on the device."""
        data = getattr(loader, "data", None)
        for batch in self._sharded(loader, stage):
            weight = data.weight(batch) if hasattr(data, "weight") else weight_of(batch)
            yield placed(batch, self.device, self.dtype), weight

    def batches(self, loader: Iterable[Any], stage: str) -> Iterator[Any]:
        """Yield the loader's batches within the stage's limit, on the device."""
        for batch in self._sharded(loader, stage):
            yield placed(batch, self.device, self.dtype)

    def _sharded(self, loader, stage):
        limit = self.limits.count(stage, len(loader))
        return islice(shards(loader, self.communicator), limit)


@contextmanager
def _naming(name, stage):
    """Add a note to an exception that names the one of several data sets in which it occurs."""
    try:
        yield
    except Exception as error:
        if name:
            error.add_note(f"in the {stage} data {name!r}")
        raise


def _copy_of(output):
    """Return a step's output in memory of its own."""

    def fresh(value):
        if isinstance(value, dict):
            return {name: fresh(part) for name, part in value.items()}
        if isinstance(value, (tuple, list)):
            return type(value)(map(fresh, value))
        return copied(value) if on_device(value) else value

    return replace(output, **{name: fresh(value) for name, value in vars(output).items()})


def _of(name, values):
    """Return the values of one of several data sets, under its name."""
    return {f"{value}/{name}": values[value] for value in values}
