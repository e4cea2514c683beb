"""Values that modules log during a step: `firstlight.Module.log` adds them, the step collects."""

from __future__ import annotations

from numbers import Real
from threading import local
from typing import TYPE_CHECKING, Any

from firstlight.support import rng

if TYPE_CHECKING:
    from firstlight.support.step_output import StepOutput

PREFIXES = ("train_", "val_", "test_")
TAKEN = ("loss", "loss_step")  # train_loss_step is the mean between two records


class _Thread(local):
    """State of a thread. No ContextVar: once one is set, NumPy's functions start more slowly."""

    open: LoggedValues | None = None


_thread = _Thread()


class LoggedValues:
    """The values logged in one step; a context manager inside which `log` adds to them.

    A value that is logged several times, such as by a layer that runs twice, is averaged. Values on
    a device stay there.

    Examples
    --------
    >>> import firstlight as fl
    >>> from firstlight.support.logged_values import LoggedValues
    >>> module, values = fl.Module(), LoggedValues()
    >>> with values:
    ...     module.log("scale", 1.0)
    ...     module.log("scale", 2.0)
    >>> output = fl.StepOutput(loss=0.1, metrics={"acc": 0.5})
    >>> values.add_to(output, module)
    >>> output.metrics
    {'acc': 0.5, 'scale': 1.5}
    """

    __slots__ = ("_before", "_counts", "_totals")

    def __init__(self) -> None:
        self._totals, self._counts = {}, {}

    def __enter__(self) -> None:
        self._before = _thread.open
        _thread.open = self

    def __exit__(self, *_: object) -> None:
        _thread.open = self._before

    def add(self, name: str, value: Any) -> None:
        """Add a value to those of its name."""
        count = self._counts.get(name, 0)
        self._totals[name] = _double(self._totals[name]) + _double(value) if count else value
        self._counts[name] = count + 1

    def add_to(self, output: StepOutput, module: Any) -> None:
        """Add the means to the metrics of a step's output.

        Raises
        ------
        ValueError
            The step's metrics have the same name.
        """
        if not self._totals:
            return
        for name in self._totals:
            if name in output.metrics:
                raise ValueError(
                    f"{type(module).__name__}: {name!r} is a metric of the step already, and is "
                    "logged by self.log, too; log it under another name"
                )
        means = {
            name: total if self._counts[name] == 1 else total / self._counts[name]
            for name, total in self._totals.items()
        }
        output.metrics = output.metrics | means


def _double(value):
    """Return an array or a scalar of NumPy in float64: booleans and small integers add wrongly."""
    return value.astype("float64") if hasattr(value, "astype") else value


def log(module: Any, name: str, value: Any) -> None:
    """Add a value to those of the current step; do nothing outside of one. See `Module.log`."""
    values = _thread.open
    if values is not None:
        _check(type(module).__name__, name, value)
        values.add(name, value)


def _check(who, name, value):
    """Raise an error unless a value of that name can be averaged and recorded."""
    if not isinstance(name, str):
        raise TypeError(f"{who}.log: expected a name and a value, got {name!r} as the name")
    if name in TAKEN:
        raise ValueError(f"{who}.log: {name!r} is the step's loss, which is recorded already")
    for prefix in PREFIXES:
        if name.startswith(prefix):
            raise ValueError(
                f"{who}.log: {name!r} begins with the name of a split, which is put before each "
                f"name (train_, val_, test_); write self.log({name[len(prefix) :]!r}, ...)"
            )
    if getattr(value, "ndim", 0):
        raise ValueError(
            f"{who}.log: expected a single number for {name!r}, got an array of shape "
            f"{value.shape}; log its mean: self.log({name!r}, x.mean())"
        )
    if not isinstance(value, Real) and not hasattr(value, "ndim"):
        raise TypeError(f"{who}.log: expected a number for {name!r}, got {value!r}")
    if rng.is_capturing() and not hasattr(value, "get"):
        raise RuntimeError(
            f"{who}.log({name!r}, ...) has a number of the host, which would be frozen in a graph"
        )
