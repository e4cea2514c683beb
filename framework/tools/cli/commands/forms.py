"""``firstlight forms``: the forms of layers, and the one that each layer of a model takes."""

import inspect
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import firstlight
from firstlight.data.splits import as_loader
from firstlight.module import Module
from firstlight.support import forms
from firstlight.support.backend import resolve_device, using
from firstlight.support.batches import describe_batch, placed
from firstlight.support.files import from_here
from firstlight.support.forms import Condition, Form
from firstlight.support.running_trainer import making_optimizers
from firstlight.support.state import children
from firstlight.tools.cli import text
from firstlight.tools.cli.command import JSON, Args, Options, option
from firstlight.tools.cli.examine import ExamineCommand, Examined
from firstlight.tools.cli.text import tell
from firstlight.tools.diagnose.probes.module_state import configured_optimizer
from firstlight.tools.diagnose.probes.recorded_calls import all_calls, recorded_step

PAIR = {"forward", "backward"}
NOT_HERE = " (not so here)"
SWITCHED_OFF = "FIRSTLIGHT_FAST not 0"


class Forms(ExamineCommand):
    """List the forms of all layers and optimizers, and the inputs that each is for. A form computes
    the same as the lesson, the methods in the layer's own file, but faster. With a model or a
    script: show the form that each layer takes in a training step, and the needs of the others.

      firstlight forms
      firstlight forms --model gpt --data tiny_shakespeare
      firstlight forms --model cnn --data mnist --device cuda --json
    """

    options: Options = (
        JSON,
        option("--device NAME", "where the model is: cpu, cuda, cuda:N or auto", "cpu"),
    )

    def run(self, args: Args) -> int:
        """List all forms, unless the options name a model, data or a script."""
        named = (args.script, args.model, args.data, *args.config)
        if any(named) or args.rest or self.script_words or args.help:
            return super().run(args)
        rows = listing()
        if args.json:
            tell(json.dumps(rows, indent=1))
        else:
            _print_listing(rows)
        return 0

    def examine(self, found: Examined, args: Args) -> int:
        """Print the forms that the first training's model takes."""
        training = found.trainings[0]
        taken = taken_forms(training.model, training.data, args.device)
        if args.json:
            tell(json.dumps([asdict(layer) for layer in taken], indent=1))
        else:
            _print_taken(taken)
        return 0


@dataclass
class Taken:
    """The form that one layer takes.

    Attributes
    ----------
    name, layer : str
        The layer's name in the model, and its class.
    input : str
        Dtype and shape of the first input.
    form : str
        The form's class, "" for the lesson.
    others : dict of str to str
        The needs of each form that was tried before and not taken.
    """

    name: str
    layer: str
    input: str
    form: str
    others: dict[str, str] = field(default_factory=dict)


def listing() -> list[dict[str, Any]]:
    """Return all forms by layer, in the order in which they are tried."""
    found = [
        {
            "layer": f"{form.target.__module__}.{form.target.__qualname__}",
            "lesson": place(form.target),
            "form": form.name,
            "file": place(type(form.instance)),
            "methods": list(form.methods),
            "needs": [words(c) + NOT_HERE * is_unmet(c) for c in form.when],
            "always": form.always,
            "on_request": form.on_request,
            "enabled": form.always or (forms.fast_is_enabled() and not form.on_request),
        }
        for form in forms.registered()
    ]
    return sorted(found, key=lambda row: row["layer"].rpartition(".")[2].lower())


def taken_forms(model: Module, data: Any, device: str = "cpu") -> list[Taken]:
    """Return the forms that a training step on the first batch takes: of layers and optimizer."""
    device = resolve_device(device)
    dtype = next((parameter.dtype for parameter in model.parameters()), "float32")
    with using(device):
        batch = placed(next(iter(as_loader(data, "train"))), device, dtype)
        with making_optimizers(configured_optimizer):
            calls = all_calls(recorded_step(model.to(device=device), batch)[2])
        found = [
            taken(call.name, call.module, "forward", call.inputs[0] if call.inputs else None)
            for call in calls
            if forms_of(type(call.module), "forward") or not any(children(call.module))
        ]
        with suppress(NotImplementedError):  # a model whose script has the optimizer
            found += [
                taken(f"{name or 'optimizer'}.{method}", optimizer, method, optimizer.flat.data)
                for name, optimizer in configured_optimizer(model).by_name().items()
                for method in ("step", "update")
            ]
    return list({(one.name, one.form): one for one in reversed(found)}.values())[::-1]


def taken(name: str, layer: Any, method: str, x: Any) -> Taken:
    """Return the form that a method of a layer takes for x, and the needs of the others."""
    kind = type(layer)
    lesson = forms.lesson_of(getattr(kind, method))
    chosen = None if lesson is None else forms.choose(lesson, layer, x)
    found = Taken(name, kind.__name__, describe_batch(x), chosen.name if chosen else "")
    for form in forms_of(kind, method):
        if form.name == found.form:
            break
        found.others.setdefault(form.name, needs(form, layer, x))
    return found


def forms_of(kind: type, method: str) -> list[Form]:
    """Return the forms of a class's method, and those of the method that it overrides."""
    return [
        form
        for form in forms.registered()
        if issubclass(kind, form.target) and method in form.methods
        if not form.always and not form.on_request
    ]


def needs(form: Form, layer: Any, x: Any) -> str:
    """Return the needs of a form that a layer did not take."""
    kind = type(layer)
    own = [m for m in form.methods if getattr(kind, m) is not getattr(form.target, m)]
    if own:
        return f"{form.target.__name__}.{own[0]}, which {kind.__name__} overrides"
    condition = form.unmet(layer, x)
    if condition is None:
        return SWITCHED_OFF
    got = "" if forms.is_constant(condition) else f"; got {kind_of(x)}"
    return words(condition) + got


def kind_of(x: Any) -> str:
    """Return an array's dtype and library, or another object's class."""
    if not hasattr(x, "dtype"):
        return type(x).__name__
    return f"{x.dtype} of {'NumPy' if isinstance(x, np.ndarray) else 'CuPy'}"


def is_unmet(condition: Condition) -> bool:
    """Return True for a condition that no layer and input fulfils on this machine."""
    return forms.is_constant(condition) and not condition(None, None)


def words(condition: Condition) -> str:
    """Return the first line of a condition's docstring as a part of a sentence.

    Examples
    --------
    >>> from firstlight.tools.cli.commands.forms import words
    >>> def small(layer, x):
    ...     '''Fewer than 100 numbers.'''
    ...     return x.size < 100
    >>> words(small)
    'fewer than 100 numbers'
    """
    line = (condition.__doc__ or condition.__name__).strip().splitlines()[0].removesuffix(".")
    return line[:1].lower() + line[1:]


def place(target: type) -> str:
    """Return the file of a class: from our package's folder, or from the present one."""
    try:
        file = Path(inspect.getfile(target))
    except (TypeError, OSError):  # typed into a notebook
        return target.__module__
    ours = Path(firstlight.__file__).parent
    return str(file.relative_to(ours)) if ours in file.parents else str(from_here(file))


def _print_listing(rows):
    if not rows:
        tell("there are no forms: the package firstlight.fast is not installed")
        return
    if not forms.fast_is_enabled():
        tell("FIRSTLIGHT_FAST=0: lessons alone are used\n")
    lines, before = [("layer", "form", "file", "for")], ""
    for row in rows:
        if row["layer"] != before:
            layer = row["layer"].rpartition(".")[2]
        methods = "" if {*row["methods"]} >= PAIR else "." + ", ".join(row["methods"])
        needed = "; ".join(row["needs"]) or "all inputs"
        when = "on request only: " * row["on_request"] + needed
        lines.append((layer, row["form"] + methods, row["file"], when))
        layer, before = "", row["layer"]
    tell(text.table(lines, head=True))
    tell("\nThe first form that fits is used; if none does, the lesson, in the layer's own file.")


def _print_taken(taken):
    rows = [(one.name, one.layer, one.input, one.form or "lesson") for one in taken]
    tell(text.table([("layer", "class", "input", "form"), *rows], head=True))
    missed = {}
    for one in taken:
        for form, needed in one.others.items():
            missed.setdefault(needed, {}).setdefault(form, one.name)
    for needed, names in missed.items():
        tell(f"\n{', '.join(names)}: not taken\n  needs: {needed}")
