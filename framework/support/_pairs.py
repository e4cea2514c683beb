"""Wrappers that run forward and backward in the same form; used by `forms.accelerated`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from firstlight.support import half

if TYPE_CHECKING:
    from firstlight.support.forms import Form


class Saved(tuple[Any, ...]):
    """Values that forward saved for backward.

    Attributes
    ----------
    form : Form or None
        The form that ran forward; None for the lesson.
    shape : tuple of int or None
        Shape of forward's output; None if the output is not an array.
    inner : Saved or None
        Values of ``super().forward``, if forward called it and saved nothing after it.
    """

    form: Form | None
    shape: tuple[int, ...] | None
    inner: Saved | None = None


def forward(lesson: Callable[..., Any], choose: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that checks the input, then runs the chosen form or the lesson.

    The lesson of ``forward_sum`` calls ``forward``. It runs, too, where a tool has replaced
    ``forward`` of this layer, whose calls it wants to see.
    """
    name = lesson.__name__

    @wraps(lesson)
    def run_forward(self, x, *others, **options):
        if name == "forward":
            self.check_input(x, *others, **options)
        form = choose(lesson, self, x)
        if half.stored() is not None and not (form and form.takes_half):
            (x, *others), options = singles((x, *others), options)
            form = choose(lesson, self, x)
        if name != "forward":
            if form is None or "forward" in vars(self):
                return lesson(self, x, *others, **options)
            self.check_input(x)
        run = lesson if form is None else getattr(form.instance, name)
        stack = self._stack
        if stack is None:
            return run(self, x, *others, **options)
        before = len(stack)
        try:
            y = run(self, x, *others, **options)
        except BaseException:
            del stack[before:]  # there is no backward after an exception
            raise
        if len(stack) > before:
            saved = Saved(stack[-1])
            saved.form, saved.shape = form, getattr(y, "shape", None)
            if type(stack[-1]) is Saved:  # saved by super().forward
                saved.inner = stack[-1]
            stack[-1] = saved
        return y

    return run_forward


def backward(lesson: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that checks dy, then runs the form that ran forward, or the lesson.

    The lesson of ``backward_sum`` calls ``backward``.
    """
    name = lesson.__name__
    parameter = inspect.signature(lesson).parameters.get("dy")
    takes_dy = parameter is not None  # a loss takes dloss instead
    annotation = str(parameter.annotation) if takes_dy else ""  # may be a string already
    takes_none = "None" in annotation or "Optional" in annotation

    @wraps(lesson)
    def run_backward(self, *gradients, **options):
        top = self._stack[-1] if self._stack else None
        if type(top) is not Saved:
            return lesson(self, *gradients, **options)
        if name != "backward" and (
            "backward" in vars(self) or top.form is None or name not in top.form.methods
        ):
            return lesson(self, *gradients, **options)
        shape = top.shape if takes_dy and gradients else None
        if takes_none and gradients and gradients[0] is None:
            shape = None
        if shape is not None and getattr(gradients[0], "shape", None) != shape:
            self._stack.pop()
            self.check_dy(gradients[0], shape)
        if top.inner is not None:
            self._stack[-1] = top.inner
        if half.stored() is not None and not (top.form and top.form.takes_half):
            gradients, options = singles(gradients, options)
        if top.form is None:
            return lesson(self, *gradients, **options)
        return getattr(top.form.instance, name)(self, *gradients, **options)

    return run_backward


def singles(inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments with float32 in the place of activations in half precision."""
    converted = {name: half.single(value) for name, value in options.items()}
    return [half.single(x) for x in inputs], converted
