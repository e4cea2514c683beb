"""Checks of the Trainer's arguments and of the steps' results; each message gives a fix."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from firstlight.module import Module
from firstlight.support import forms, half
from firstlight.support.construction import NAMESPACES
from firstlight.support.logged_values import TAKEN
from firstlight.support.step_output import StepOutput

STEPS = {  # methods of models in PyTorch Lightning and Keras, and ours
    "configure_optimizers": "configure_optimizer, which returns one optimizer or a dict of them",
    "train_step": "training_step",
    "test_step": "validation_step, which `test` calls too",
}
PRECISIONS = ("32", "tf32", "bf16", "16")

# Letters whose transliteration is not the letter without its mark.
GERMAN = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}


def module(candidate: object) -> None:
    """Raise a TypeError unless it is a `Module` object, without methods of other frameworks."""
    if isinstance(candidate, type):
        raise TypeError(
            f"Trainer: expected a module, got the class {candidate.__name__}; "
            f"write {candidate.__name__}(...)"
        )
    if not isinstance(candidate, Module):
        raise TypeError(
            f"Trainer: expected a firstlight.Module, got {type(candidate).__name__}; "
            "derive your model from firstlight.Module"
        )
    for name, ours in STEPS.items():
        if callable(getattr(type(candidate), name, None)):
            raise TypeError(
                f"{type(candidate).__name__}.{name} would never be called; the Trainer calls "
                f"{ours}; rename it, or let a method of your own start with _"
            )


def settings(given: Any) -> dict[str, Any]:
    """Return the settings of a script as a dict; raise a TypeError if they have no names."""
    if isinstance(given, dict):
        return given
    if isinstance(given, NAMESPACES):
        return dict(vars(given))
    if isinstance(given, Mapping):
        return dict(given)
    raise TypeError(
        f"Trainer.config: expected a dict of settings or an argparse.Namespace, got "
        f"{type(given).__name__}; give each setting a name: trainer.config = {{'idea': 'b'}}"
    )


def step_output(owner: Module, output: object, step: str) -> None:
    """Raise a TypeError unless a step returned a `StepOutput`; its denominators are numbers."""
    if not isinstance(output, StepOutput):
        raise TypeError(
            f"{type(owner).__name__}.{step} returned {type(output).__name__}; "
            "end it with: return firstlight.StepOutput(loss, dy, metrics)"
        )
    metrics(f"{type(owner).__name__}.{step}", output.metrics)
    if not isinstance(output.denominators, dict):
        raise TypeError(
            f"{type(owner).__name__}.{step}: expected denominators as a dict such as "
            f"{{'loss': weights.sum()}}, got {type(output.denominators).__name__}"
        )
    for name, number in output.denominators.items():
        if getattr(number, "ndim", 0):
            raise TypeError(
                f"{type(owner).__name__}.{step}: expected a single number as denominator of "
                f"{name!r}, the divisor of the batch's sum, got an array of shape "
                f"{number.shape}"
            )


def metrics(who: str, named: Iterable[str]) -> None:
    """Raise a ValueError if a metric has the name under which the loss is logged."""
    for name in TAKEN:
        if name in named:
            raise ValueError(
                f"{who} has a metric {name!r}, the name of the loss itself; call it another, "
                f"e.g. {f'own_{name}'!r}"
            )


def nothing_counts(where: str) -> str:
    """Return the error message for a mean loss whose denominator is 0."""
    return (
        f"nothing counts in {where}: each target is the loss's ignore_index, or its class or its "
        "sample has weight 0, so that there is nothing to average; check the targets and weights, "
        "and leave out samples whose targets do not count"
    )


def training_output(owner: Module, output: StepOutput) -> None:
    """Raise a TypeError unless ``training_step`` returned a `StepOutput` that has a dy.

    With ``steps_by_hand`` it must have none.
    """
    step_output(owner, output, "training_step")
    who = f"{type(owner).__name__}.training_step"
    if owner.steps_by_hand and output.dy is not None:
        raise TypeError(
            f"{who} returned a dy, but with steps_by_hand = True the Trainer runs no backward; "
            "call self.backward(dy) in training_step and return StepOutput(loss), or let the "
            "Trainer step: steps_by_hand = False"
        )
    if output.dy is None and not owner.steps_by_hand:
        raise TypeError(
            f"{who} returned no dy, the gradient of the loss at the model's output; e.g. "
            "StepOutput(loss, dy=self.loss.backward()); if it runs backward and steps the "
            "optimizers itself, write in the class: steps_by_hand = True"
        )


def precision(name: str, device: str) -> str:
    """Return the name of a precision, or raise a ValueError if the device does not support it."""
    if name not in PRECISIONS:
        known = ", ".join(f'"{known}"' for known in PRECISIONS)
        raise ValueError(f"precision: expected one of {known}, got {name!r}")
    if name != "32" and device == "cpu":
        raise ValueError(
            f"precision {name!r} needs a GPU's tensor cores, and the device is the CPU; use "
            'precision="32", or device="cuda"'
        )
    if name != "32" and not forms.has_fast():
        raise ValueError(
            f"precision {name!r} needs the products of firstlight.fast, which are disabled by "
            'FIRSTLIGHT_FAST=0 or not installed; use precision="32"'
        )
    half.dtype_of(name)
    return name


def all_undone(root: Module) -> None:
    """Raise a RuntimeError if a forward of the step was not undone by its backward."""
    for name, part in root.named_modules():
        if part._stack:
            where = f"{type(root).__name__}{'.' + name if name else ''}"
            advice = (
                "training_step must call the backward of each forward, in reverse order; after a "
                "forward that needs none, call train() of that part, which drops it"
                if root.steps_by_hand
                else f"{type(root).__name__}.backward must call the backward of every layer that "
                "its forward calls, in reverse order"
            )
            raise RuntimeError(
                f"{where} ({type(part).__name__}): {len(part._stack)} forward(s) of the training "
                f"step were not undone; {advice}"
            )


def loggable(values: dict[str, Any], reserved: Iterable[str]) -> dict[str, float]:
    """Return named values as Python floats, or raise a TypeError or ValueError that names one."""
    found = {}
    for name, value in values.items():
        if name in reserved:
            raise ValueError(f"log: {name!r} is taken; every record has {', '.join(reserved)}")
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"log: expected a number for {name!r}, got {value!r}") from None
    return found


LONGEST_NAME = 100  # of a run: systems allow 255 letters, and Windows 260 for the whole path


def run_name(name: str | None) -> str | None:
    """Return the name, or raise a ValueError unless it can name a folder on every system.

    A name that begins with "-" would be read as a flag; "latest" is a file in the runs folder.
    """
    if name is None:
        return name
    if len(name) > LONGEST_NAME:
        raise ValueError(f"name: expected {LONGEST_NAME} letters at most, got {len(name)}")
    if _is_device(name) or name.endswith("."):
        raise ValueError(
            f"name: {name!r} cannot be a folder on Windows; choose another, e.g. "
            f"{as_run_name(name)!r}"
        )
    if not re.fullmatch(r"[A-Za-z0-9_.+=-]+", name) or name.strip(".") in ("", "latest"):
        raise ValueError(
            "name: expected letters a to z, digits and . _ + = - for a folder's name, got "
            f"{name!r}; e.g. {as_run_name(name)!r}"
        )
    if name.startswith("-"):
        raise ValueError(
            f"name: {name!r} would be taken for a flag; let it begin with a letter or a digit"
        )
    return name


def as_run_name(text: str) -> str:
    """Return a text as a folder name: letters without their marks, all else as ``_``.

    Examples
    --------
    >>> from firstlight.training.checks import as_run_name
    >>> as_run_name("Café au lait"), as_run_name("Größe"), as_run_name("..."), as_run_name("con")
    ('Cafe_au_lait', 'Groesse', 'run', 'con_')
    """
    spelled = text.translate({ord(a): b for a, b in GERMAN.items()})
    bare = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.+=-]+", "_", bare).lstrip("-.")[:LONGEST_NAME].rstrip(".")
    if _is_device(name):
        return f"{name.partition('.')[0]}_"
    return name if name not in ("", "_", "latest") else "run"


def _is_device(name):
    """Return whether Windows reserves a name, with any extension, for a device."""
    return re.fullmatch(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", name) is not None
