"""Forms: faster computations that replace methods of a layer or an optimizer.

The methods of a layer are its *lesson*: plain array expressions that define the result. A *form* is
a class with methods of the same names that compute the same result faster. It is registered with
conditions on the inputs. A method decorated with `accelerated` runs the first form whose conditions
all hold, or else the lesson. `firstlight.fast` holds firstlight's forms. This module imports it
when a layer first runs, so that no lesson depends on it.

A form replaces a *pair*: backward runs the form, or the lesson, that ran forward.

The environment variable FIRSTLIGHT_FAST=0 disables all forms except those registered with
``always=True``.

Examples
--------
A user's layer, and a form for it:

>>> import numpy as np
>>> import firstlight as fl
>>> from firstlight.support.forms import accelerated, form
>>> class Square(fl.Module):
...     @accelerated
...     def forward(self, x):
...         self.save(x)
...         return x**2
...
...     @accelerated
...     def backward(self, dy):
...         (x,) = self.saved()
...         return 2 * x * dy
>>> def float32_array(layer, x):
...     '''Float32 arrays.'''
...     return x.dtype == np.float32
>>> @form(Square, when=[float32_array])
... class ProductSquare:
...     def forward(self, layer, x):
...         layer.save(x)
...         return x * x
...
...     def backward(self, layer, dy):
...         (x,) = layer.saved()
...         return x * dy * 2
>>> Square()(np.array([3.0], "float32"))
array([9.], dtype=float32)
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from firstlight.support import _pairs, half
from firstlight.support.memory import keep_memory

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T", bound=type)
Condition = Callable[[Any, Any], bool]
C = TypeVar("C", bound=Condition)

_registered: list[Form] = []
_constant: set[Condition] = set()  # those decorated with `constant`
_accelerated: set[tuple[str, str]] = set()  # module and qualified name of each accelerated method
_takes_half: set[Condition] = set()  # those decorated with `takes_half`
_once: set[Condition] = set()  # those decorated with `constant` or `by_dtype`
_state: dict[str, Any] = {"loaded": False, "only": None}
# The forms to try, in order, with the conditions to check at each call, by method, class of the
# layer, type and dtype of the input, and dtype of activations. `forget_choices` replaces the dict,
# so that another thread cannot add an outdated entry to the new one.
_choices: dict[Any, tuple[tuple[Form, tuple[Condition, ...]], ...]] = {}


@dataclass(frozen=True, eq=False)
class Form:
    """A registered form.

    Attributes
    ----------
    target : type
        The class of layers or optimizers whose methods it replaces.
    instance : object
        Object with the methods.
    methods : tuple of str
        Names of the replaced methods.
    when : tuple of callable
        Conditions ``condition(layer, x) -> bool``; x is the first input, or None if the method has
        no input. The first line of a condition's docstring describes the inputs that satisfy it,
        such as "Float32 arrays of NumPy.".
    always : bool
        Used even with FIRSTLIGHT_FAST=0, because the form changes the result and not the speed. It
        is tried before all forms without its conditions. It must save the same values as the
        lesson, as it also replaces methods that a subclass inherits or calls by ``super()``.
    on_request : bool
        Used only within `only`.
    """

    target: type
    instance: Any
    methods: tuple[str, ...]
    when: tuple[Condition, ...]
    always: bool
    on_request: bool

    @property
    def name(self) -> str:
        """Name of the form's class."""
        return type(self.instance).__name__

    @property
    def module(self) -> str:
        """Name of the module that defines the form."""
        return type(self.instance).__module__

    @property
    def is_ours(self) -> bool:
        """True for firstlight's own forms, which are tried after all others."""
        return self.module.startswith("firstlight.")

    @property
    def takes_half(self) -> bool:
        """True if the inputs may be activations in half precision; see `takes_half`."""
        return not _takes_half.isdisjoint(self.when)

    def replaces(self, kind: type, method: str) -> bool:
        """Return True if the form replaces a method of a class that does not override it."""
        return (
            method in self.methods
            and issubclass(kind, self.target)
            and all(getattr(kind, name) is getattr(self.target, name) for name in self.methods)
        )

    def __deepcopy__(self, memo: Any) -> Form:
        """Return the form itself: saved values in copies of a layer refer to the same form."""
        return self

    def unmet(self, layer: Any, x: Any) -> Condition | None:
        """Return the first condition that does not hold, or None."""
        return next((condition for condition in self.when if not condition(layer, x)), None)


def accelerated(method: F) -> F:
    """Decorate a method that forms may replace.

    ``forward`` calls ``self.check_input(*inputs)`` first. ``backward`` compares the shape of ``dy``
    with that of forward's output, then runs the form that ran forward. If ``dy`` is annotated
    ``Array | None``, it may be None, which a following layer with ``needs_dx=False`` returns.

    Activations in half precision are converted to float32 for lessons, and for forms without a
    condition that `takes_half`.

    ``forward_sum`` and ``backward_sum`` are such a pair too, whose lessons call forward and
    backward; each goes with the other's counterpart.
    """
    name = method.__name__
    _accelerated.add((method.__module__, method.__qualname__))
    if name in ("forward", "forward_sum"):
        return cast("F", _pairs.forward(method, choose))
    if name in ("backward", "backward_sum"):
        return cast("F", _pairs.backward(method))

    @wraps(method)
    def call(self, *inputs, **options):
        form = choose(method, self, inputs[0] if inputs else None)
        if half.stored() is not None and not (form and form.takes_half):
            inputs, options = _pairs.singles(inputs, options)
            form = choose(method, self, inputs[0] if inputs else None)
        if form is None:
            return method(self, *inputs, **options)
        return getattr(form.instance, name)(self, *inputs, **options)

    return cast("F", call)


def choose(lesson: Callable[..., Any], layer: Any, x: Any) -> Form | None:
    """Return the first form of a method whose conditions hold, or None for the lesson."""
    key = lesson, type(layer), type(x), getattr(x, "dtype", None), half.stored()
    found = _choices.get(key)
    if found is None:
        found = _find(key, layer, x)
    for form, conditions in found:
        for condition in conditions:
            if not condition(layer, x):
                break
        else:
            return form
    return None


def _find(key, layer, x):
    """Compute an entry of `_choices`, store it and return it."""
    choices = _choices
    lesson, kind = key[:2]
    name = lesson.__name__
    # No class has the method while another function replaces it and calls it, as `check` does.
    owner = next((c for c in kind.__mro__ if lesson_of(vars(c).get(name)) is lesson), None)
    forms = candidates(kind, name)
    if owner is not None and lesson_of(getattr(kind, name)) is not lesson:
        forms = []  # called by super() from an overriding method
    inherited = candidates(owner or kind, name)
    required = [form for form in inherited if form.always and form not in forms]
    found = []
    for form in required + forms:
        if all(condition(layer, x) for condition in form.when if condition in _once):
            found.append((form, tuple(c for c in form.when if c not in _once)))
    choices[key] = tuple(found)
    return choices[key]


def lesson_of(method: Any) -> Callable[..., Any] | None:
    """Return the method that `accelerated` decorates, or None."""
    return getattr(method, "__wrapped__", None)


def form(
    target: type,
    *,
    when: Sequence[Condition] = (),
    always: bool = False,
    on_request: bool = False,
) -> Callable[[T], T]:
    """Register a class as a form of the layer or optimizer ``target``.

    Its methods take the layer before the arguments of the method that they replace:
    ``forward(self, layer, x)``. One instance serves all layers. If several forms fit, the one
    registered last is used; firstlight's own forms are tried after all others.

    Parameters
    ----------
    target : type
        Class whose methods are decorated with `accelerated`. Its subclasses use the form too,
        unless they override one of the methods.
    when, always, on_request
        See `Form`.

    Raises
    ------
    TypeError
        The form has no method that replaces an accelerated one; forward without backward.
    """

    def register(implementation: T) -> T:
        names = tuple(
            name
            for name in dir(implementation)
            if not name.startswith("_") and _is_accelerated(target, name)
        )
        if not names or ("forward" in names) != ("backward" in names):
            raise TypeError(
                f"form {implementation.__name__}: expected methods that replace accelerated "
                f"methods of {target.__name__}, forward and backward as a pair, got "
                f"{list(names)}; decorate {target.__name__}'s methods with @accelerated, and "
                "define both"
            )
        found = Form(target, implementation(), names, tuple(when), always, on_request)
        # Forms of users come first, even if they are registered before our own are imported.
        place = sum(not one.is_ours for one in _registered) if found.is_ours else 0
        _registered.insert(place, found)
        forget_choices()
        return implementation

    return register


def _is_accelerated(target, name):
    """Return True for an accelerated method, even if another function has replaced it by now."""
    if lesson_of(getattr(target, name, None)):
        return True
    owner = next((kind for kind in target.__mro__ if name in vars(kind)), target)
    return (owner.__module__, f"{owner.__qualname__}.{name}") in _accelerated


def registered() -> list[Form]:
    """Return all forms, in the order in which they are tried."""
    _load()
    return list(_registered)


def candidates(kind: type, method: str) -> list[Form]:
    """Return the enabled forms of a class's method, in the order in which they are tried."""
    if fast_is_enabled():
        _load()
    found = [form for form in _registered if form.replaces(kind, method) and _enabled(form)]
    decisive = {condition for form in found if form.always for condition in form.when}
    return sorted(found, key=lambda form: not form.always and decisive.isdisjoint(form.when))


@contextmanager
def only(*implementations: type) -> Iterator[None]:
    """Use only these forms and those with ``always=True``; without arguments, the lessons.

    The setting applies to all threads.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.support import forms
    >>> with forms.only():  # as FIRSTLIGHT_FAST=0 does for the whole process
    ...     nn.ReLU()(np.float32([-1, 2]))
    array([0., 2.], dtype=float32)
    """
    if fast_is_enabled():
        _load()
    before, _state["only"] = _state["only"], implementations
    forget_choices()
    try:
        yield
    finally:
        _state["only"] = before
        forget_choices()


def by_dtype(condition: C) -> C:
    """Decorate a condition that depends only on the type and dtype of x, and of activations.

    To make calls faster, it is checked once for each type and dtype, not at each call.
    """
    _once.add(condition)
    return condition


def constant(condition: C) -> C:
    """Decorate a condition that depends neither on the layer nor on x, e.g. on a package.

    Like a condition decorated with `by_dtype`, it is not checked at each call.
    """
    _constant.add(condition)
    return by_dtype(condition)


def takes_half(condition: C) -> C:
    """Decorate a condition that also holds for activations in half precision, where these are on.

    Forms with it compute their results from such inputs, in float32, and backward from a dy of
    either dtype. See `firstlight.support.half`.
    """
    _takes_half.add(condition)
    return condition


def is_constant(condition: Condition) -> bool:
    """Return True for a condition that is decorated with `constant`."""
    return condition in _constant


def forget_choices() -> None:
    """Clear the cached choices, so that the next calls check all conditions again."""
    global _choices
    _choices = {}


def _enabled(form):
    if form.always:
        return True
    if _state["only"] is not None:
        return type(form.instance) in _state["only"]
    return not form.on_request and fast_is_enabled()


def fast_is_enabled() -> bool:
    """Return False if FIRSTLIGHT_FAST=0 disables the forms."""
    return os.environ.get("FIRSTLIGHT_FAST") != "0"


def has_fast() -> bool:
    """Return True if the package `firstlight.fast` exists and FIRSTLIGHT_FAST is not 0."""
    return fast_is_enabled() and importlib.util.find_spec("firstlight.fast") is not None


def _load():
    """Import firstlight's own forms, once, and keep freed memory; other threads wait."""
    if _state["loaded"]:
        return
    try:
        importlib.import_module("firstlight.fast.forms")
        keep_memory()
    except ModuleNotFoundError as error:
        # Without the package, only the lessons run.
        if error.name not in ("firstlight.fast", "firstlight.fast.forms"):
            raise
    _state["loaded"] = True
