"""Conformance checks, which authors of layers and callbacks call in their own tests."""

from __future__ import annotations

import functools
import inspect
import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from firstlight import hookspecs, nn, optim
from firstlight.callback import Callback, Role
from firstlight.checkpoints.fingerprints import fingerprint, first_difference
from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.support import rng
from firstlight.support.gradcheck import check_gradients
from firstlight.trainer import Trainer
from firstlight.training import hook_manager

if TYPE_CHECKING:
    from pathlib import Path

    from firstlight.support.array import Array

__all__ = [
    "HookCall",
    "RecordingCallback",
    "TinyNet",
    "check_callback",
    "check_gradients",
    "check_resume",
    "tiny_data",
    "tiny_trainer",
]


class TinyNet(Module):
    """A classifier of 32 parameters with dropout, for `tiny_data`; initial weights are fixed."""

    body: Module
    loss: Module

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        hidden, head = nn.Linear(3, 5, rng=rng), nn.Linear(5, 2, rng=rng)
        self.body = nn.Sequential(hidden, nn.ReLU(), nn.Dropout(0.2), head)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Array) -> Array:  # (N, 3) -> (N, 2)
        """Return the scores of two classes."""
        return self.body(x)

    def backward(self, dy: Array) -> Array:
        """Return dL/dx."""
        return self.body.backward(dy)

    def configure_optimizer(self) -> optim.Optimizer:
        """Return Adam with a learning rate of 0.01."""
        return optim.Adam(self.parameters(), lr=0.01)


def tiny_data() -> DataSplits:
    """Return `DataSplits` of two classes: 12, 6 and 4 samples, in batches of 4."""
    x = np.random.default_rng(0).standard_normal((22, 3))  # (N, 3)
    y = (x[:, 0] > 0).astype("int64")  # (N,)
    train, val, test = ((x[part], y[part]) for part in np.split(np.arange(22), [12, 18]))
    return DataSplits(train, val, test, name="tiny", classes=["left", "right"], batch_size=4)


def tiny_trainer(
    callbacks: Iterable[object] = (),
    *,
    max_epochs: int | None = 2,
    max_steps: int | None = None,
    accumulate_grad_batches: int | dict[int, int] = 1,
    log_every_n_steps: int = 1,
    runs_dir: Path | str | None = None,
) -> Trainer:
    """Train a `TinyNet` on `tiny_data`, which takes milliseconds, and return the `Trainer`.

    Parameters
    ----------
    callbacks : list of Callback or str
        The default callbacks are not added.
    max_epochs, max_steps, accumulate_grad_batches, log_every_n_steps, runs_dir
        As for `Trainer`; an epoch has three batches. No run is kept by default.

    Examples
    --------
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer(max_epochs=1)
    >>> trainer.status, trainer.step, len(trainer.history["val_loss"])
    ('finished', 3, 1)
    """
    trainer = Trainer(
        max_epochs=max_epochs,
        max_steps=max_steps,
        accumulate_grad_batches=accumulate_grad_batches,
        log_every_n_steps=log_every_n_steps,
        runs_dir=runs_dir,
        callbacks=list(callbacks),
        default_callbacks=False,
        seed=0,
    )
    trainer.fit(TinyNet(), tiny_data())
    return trainer


class HookCall(NamedTuple):
    """One recorded call of a hook: its name, and its arguments by name."""

    hook: str
    arguments: dict[str, Any]


class RecordingCallback(Callback):
    """Record every hook call of a training.

    Attributes
    ----------
    calls : list of HookCall
        In the order called.

    Examples
    --------
    >>> from firstlight.testing import RecordingCallback, tiny_trainer
    >>> recorder = RecordingCallback()
    >>> _ = tiny_trainer([recorder], max_epochs=1)
    >>> recorder.calls[1].hook, recorder.names().count("on_train_batch_end")
    ('on_fit_start', 3)
    """

    calls: list[HookCall]

    def __init__(self) -> None:
        self.calls = []
        for hook in hook_manager.HOOKS:
            if not hook.startswith("register_"):
                setattr(self, hook, self._recorder(hook))

    def names(self) -> list[str]:
        """Return the names of the hooks, in the order called."""
        return [call.hook for call in self.calls]

    def _recorder(self, hook):
        spec = getattr(hookspecs, hook)
        names = inspect.signature(spec).parameters

        @functools.wraps(spec)  # pluggy reads the arguments from its signature
        def record(*values):
            self.calls.append(HookCall(hook, dict(zip(names, values, strict=True))))

        return record


def check_callback(make_callback: Callable[[], Any]) -> None:
    """Raise an AssertionError unless a callback obeys the rules for callbacks.

    - Its hooks exist, and take only arguments of the hooks.
    - It survives a training, a second training, an interrupted one, one that raises, and an
      evaluation without a training. It does not swallow the exception.
    - Two instances work in one training.
    - ``state_dict`` survives JSON, and a new callback that loads it returns the same.
    - Unless its role is WRITER or EDITOR, training without it gives the same parameters, byte by
      byte.

    Parameters
    ----------
    make_callback : callable
        Called without arguments, returns a new callback each time: its class, or a lambda.

    Raises
    ------
    AssertionError
        Names the callback and the broken rule.

    Examples
    --------
    >>> import firstlight as fl
    >>> from firstlight.testing import check_callback
    >>> class Hello(fl.Callback):
    ...     def on_fit_start(self):
    ...         pass
    >>> check_callback(Hello)
    """
    if not callable(make_callback):
        raise AssertionError(
            f"check_callback: expected a function that returns a new callback, got "
            f"{make_callback!r}; write check_callback(lambda: ...)"
        )
    callback, other = make_callback(), make_callback()
    rule = _Rules(hook_manager.display_name(callback))
    if callback is other:
        rule.broken("make_callback() must return a new callback each time")
    with rule("its hooks must exist and take what they offer"):
        hook_manager.attach([callback])
    with tempfile.TemporaryDirectory() as runs:
        with rule("it must survive a training"):
            trainer = tiny_trainer([callback], runs_dir=runs)
        _check_untouched(rule, callback, trainer)
        _check_state(rule, callback, make_callback)
        with rule("it must survive a second training"):
            tiny_trainer([callback], runs_dir=runs)
        with rule("two of it must work side by side"):
            tiny_trainer([make_callback(), other], runs_dir=runs)
        with rule("it must survive an interrupted training"):
            tiny_trainer([make_callback(), _AtEachStep(_interrupt)], runs_dir=runs)
        _check_failing(rule, make_callback(), runs)
    with rule("it must survive an evaluation without a training"):
        trainer = Trainer(callbacks=[make_callback()], default_callbacks=False, runs_dir=None)
        trainer.validate(TinyNet(), tiny_data())
        trainer.test(TinyNet(), tiny_data())
        trainer.predict(TinyNet(), tiny_data())


class _Rules:
    """Turn any exception into an AssertionError that names the callback and the rule."""

    def __init__(self, name):
        self.name = name

    @contextmanager
    def __call__(self, rule):
        try:
            yield
        except Exception as error:
            self.broken(f"{rule}; {type(error).__name__}: {error}", error)

    def broken(self, rule, cause=None):
        raise AssertionError(f"check_callback: {self.name}: {rule}") from cause


def _check_untouched(rule, callback, trainer):
    if getattr(callback, "role", Role.READER) != Role.READER:
        return
    alone = tiny_trainer(max_steps=trainer.step)  # the callback may have stopped the training
    mine, reference = trainer.module.state_dict(), alone.module.state_dict()
    changed = [name for name in mine if mine[name].tobytes() != reference[name].tobytes()]
    if changed:
        rule.broken(
            f"its role is READER, yet without it training gives another {', '.join(changed)}; "
            "set role = Role.WRITER or Role.EDITOR, and draw no random numbers of the training"
        )


def _check_state(rule, callback, make_callback):
    if not hasattr(callback, "state_dict"):
        return
    state = callback.state_dict()
    with rule("state_dict must be JSON-able"):
        text = json.dumps(state)
    if repr(json.loads(text)) != repr(state):  # not ==: NaN differs from itself
        rule.broken(
            f"state_dict must come back from JSON as it was, got {json.loads(text)} for {state}; "
            "use dicts with string keys, lists, and plain numbers"
        )
    with rule("a new callback must load what state_dict returned"):
        restored = make_callback()
        restored.load_state_dict(json.loads(text))
    if repr(restored.state_dict()) != repr(state):
        rule.broken(
            f"load_state_dict must restore all of state_dict, got {restored.state_dict()} "
            f"for {state}"
        )


def _check_failing(rule, callback, runs):
    try:
        tiny_trainer([callback, _AtEachStep(_fail)], runs_dir=runs)
    except _PlannedError as planned:
        more = [note for note in planned.__notes__ if note.startswith("and then")]
        if more:
            rule.broken(f"it must survive a training that raises; {more[0]}", planned)
    except Exception as error:
        rule.broken(f"it must let the training's own exception pass, got {error!r}", error)
    else:
        rule.broken("it must let the training's own exception pass, which was lost")


class _PlannedError(Exception):
    """The exception that `_fail` raises in a training."""


class _AtEachStep(Callback):
    role = Role.WRITER

    def __init__(self, action):
        self.action = action

    def on_train_batch_end(self, trainer):
        self.action(trainer)


def _interrupt(trainer):
    trainer.interrupt.requested = True


def _fail(_trainer):
    raise _PlannedError


def check_resume(
    make_module: Callable[[], Module],
    data: Any,
    *,
    make_callbacks: Callable[[], Iterable[object]] = list,
    steps: int = 4,
) -> None:
    """Check that interrupting and resuming a training does not change its parameters.

    One training makes ``2 * steps`` steps. Another makes ``steps`` steps, is resumed with another
    seed and makes the rest. The parameters are compared after each step.

    Parameters
    ----------
    make_module : callable
        Returns a new module.
    data
        As for `Trainer.fit`.
    make_callbacks : callable
        Returns new callbacks; none by default.
    steps : int
        Steps before the interruption; try one in the middle of an epoch and one at its end.

    Raises
    ------
    AssertionError
        Names the first step and the parameters that differ: some state that influences them is
        not in the checkpoint, such as a random generator in a callback without ``state_dict``.

    Examples
    --------
    >>> from firstlight.testing import TinyNet, check_resume, tiny_data
    >>> check_resume(TinyNet, tiny_data())
    """
    with tempfile.TemporaryDirectory() as folder:

        def run(name, until, seed, resume=None):
            seen = _Watch()
            rng.seed_everything(seed)
            trainer = Trainer(
                max_steps=until,
                callbacks=[*make_callbacks(), seen, _SaveAtTheEnd()],
                default_callbacks=False,
                runs_dir=folder,
                name=name,
            )
            trainer.fit(make_module(), data, resume=resume)
            return seen.steps

        whole = run("whole", 2 * steps, seed=0)
        run("parts", steps, seed=0)
        rest = run("parts", 2 * steps, seed=1, resume="last")
    missing = {step: {} for step in range(steps + 1, 2 * steps + 1)}
    found = first_difference(missing | whole, missing | rest)
    if found:
        step, names = found
        raise AssertionError(
            f"resumed after step {steps}, the training differs first at step {step}, in "
            f"{', '.join(names)}; keep all state that influences it in parameters, buffers, "
            "firstlight.rng, or a callback's state_dict"
        )


class _Watch(Callback):
    """Record the model's fingerprint after every step."""

    def __init__(self):
        self.steps = {}

    def on_train_batch_end(self, trainer, module):
        self.steps[trainer.step] = fingerprint(module)


class _SaveAtTheEnd(Callback):
    """Save a checkpoint after the last step; listed last, so that it runs after all others."""

    def on_train_batch_end(self, trainer):
        if trainer.should_stop:
            trainer.request_checkpoint(trainer.run.checkpoints / "last.safetensors")
