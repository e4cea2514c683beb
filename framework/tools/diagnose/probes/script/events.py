"""Events of a script's training, each with the line that caused it and the loops around it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.script.values import path_to


@dataclass(frozen=True)
class Turn:
    """One iteration of a loop that runs.

    Attributes
    ----------
    line : int
        Of the loop.
    run : int
        Number of this execution of the loop, among all loops.
    number : int
        Of the iteration, from 0.
    """

    line: int
    run: int
    number: int


@dataclass(kw_only=True)
class Event:
    """What happened in one line.

    Attributes
    ----------
    index : int
        Its place in `Trace.events`.
    at : Place
    loops : tuple of Turn
        The loops around the line, outermost first, those of calling functions included.
    step : int
        Number of updates of the same values before it; those of several optimizers or arrays
        that follow each other are one step.
    inside : bool
        Whether in a module's or an optimizer's method.
    key : (str, int, int)
        Class, line, and how many events of these came before; the same in repeated runs.
    """

    index: int = 0
    at: Place = field(default_factory=lambda: Place(""))
    loops: tuple[Turn, ...] = ()
    step: int = 0
    inside: bool = False
    key: tuple[str, int, int] = ("", 0, 0)


@dataclass(kw_only=True)
class Forward(Event):
    """An outermost forward of a module.

    Attributes
    ----------
    module : Module
    inputs, options, output
        Copies of its arguments, those by name too, and its result.
    training, saves : bool
        Its mode, and whether it saves values for backward.
    backward : Backward or None
        The one that belongs to it.
    """

    module: Module
    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    training: bool = True
    saves: bool = True
    backward: "Backward | None" = None


@dataclass(kw_only=True)
class Backward(Event):
    """An outermost backward of a module.

    Attributes
    ----------
    module : Module
    dys, options, dx
        Copies of its arguments and its result.
    forward : Forward or None
        The latest one without a backward.
    added : list of (Parameter, array)
        What it added to the gradients of the module's parameters.
    """

    module: Module
    dys: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    dx: Any = None
    forward: Forward | None = None
    added: list[tuple[Parameter, Array]] = field(default_factory=list)


@dataclass(kw_only=True)
class OptimizerMade(Event):
    """The construction of an optimizer."""

    optimizer: Optimizer


@dataclass(kw_only=True)
class OptimizerStep(Event):
    """A step of an optimizer.

    Attributes
    ----------
    optimizer : Optimizer
    lrs : list of float
        Learning rate of each group.
    parameters : list of Parameter
    gradients, before, after : list of array
        Of the parameters: the gradients that it used, the values before and after.
    """

    optimizer: Optimizer
    lrs: list[float]
    parameters: list[Parameter]
    gradients: list[Array]
    before: list[Array]
    after: list[Array] = field(default_factory=list)


@dataclass(kw_only=True)
class ZeroGrad(Event):
    """A call of zero_grad of an optimizer or a module, with its parameters."""

    parameters: list[Parameter]


@dataclass(kw_only=True)
class GradientWrite(Event):
    """A statement, or a clipping, that writes into a parameter's gradient.

    Attributes
    ----------
    parameter : Parameter
    before, after : array
    adds : bool
        Whether it is ``+=`` or ``-=``.
    """

    parameter: Parameter
    before: Array
    after: Array
    adds: bool = False


@dataclass(kw_only=True)
class Update(Event):
    """A statement that changes an array or a number in terms of itself, such as ``w -= lr * dw``.

    Attributes
    ----------
    name : str
        Source text of what is assigned.
    target : Any
        The array, in place or rebound; the parameter, if its data are written.
    before, after : array or float
        Copies of the values.
    sources : dict of str to array or float
        The plain values on the right side, by their text.
    constants : list of float
        On the right side.
    rebinds : bool
        Whether the name refers to another array afterwards.
    value : Any
        The same for all updates of one array or number.
    gradient : array or None
        That of the parameter.
    trains : bool
        Whether it is one of the steps of a training.
    """

    name: str
    target: Any
    before: Any
    after: Any
    sources: dict[str, Any] = field(default_factory=dict)
    constants: list[float] = field(default_factory=list)
    rebinds: bool = False
    value: Any = None
    gradient: Array | None = None
    trains: bool = False

    @property
    def parameter(self) -> Parameter | None:
        """The parameter whose data are written, if any."""
        return self.target if isinstance(self.target, Parameter) else None


@dataclass(kw_only=True)
class Assigned(Event):
    """A statement that computes an array elementwise from others, such as ``m_hat = m / c``."""

    name: str
    value: Any
    sources: dict[str, Any]


@dataclass(kw_only=True)
class Kept(Event):
    """An assignment to a name that is of interest, such as that of the best weights.

    The arrays are copies of those in the value, which may change later.
    """

    name: str
    value: Any
    arrays: list[Array]


@dataclass(kw_only=True)
class Scalar(Event):
    """A number that the script assigns, appends or prints: a candidate of the loss."""

    name: str
    value: float


@dataclass(kw_only=True)
class Fit(Event):
    """A call of ``Trainer.fit``, which was replaced by one step.

    Attributes
    ----------
    module : Module
        A copy from before.
    original : Module
    data : Any
    given : tuple
        Training and validation data as the script gave them.
    """

    module: Module
    original: Module
    data: Any
    given: tuple[Any, Any] = (None, None)


@dataclass
class Trace:
    """What a script did in the first steps of its trainings.

    Attributes
    ----------
    path : Path
    events : list of Event
        In order.
    names : dict
        The script's global names at its end.
    ended : str
        How far it was followed, "" if to its end.
    error : Exception or None
        What it raised, if no loop had been shortened before.
    shortened : bool
        Whether a loop ended after some steps.
    parameters : list of Parameter
        In the order in which they were made.
    scopes : dict of int to dict
        The local names at the beginning of each loop, by its line.
    """

    path: Path
    events: list[Event] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    ended: str = ""
    error: Exception | None = None
    shortened: bool = False
    parameters: list[Parameter] = field(default_factory=list)
    scopes: dict[int, dict[str, Any]] = field(default_factory=dict)

    def name_of(self, thing: Any, default: str | None = None) -> str:
        """Return the name of a module, a parameter or an array, by default its class."""
        paths = (path_to(value, thing, name) for name, value in self.names.items())
        default = type(thing).__name__ if default is None else default
        return next((path for path in paths if path), default)

    def of(self, *kinds: type[Event]) -> list[Any]:
        """Return the events of some classes."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def fits(self) -> list[Fit]:
        """The calls of ``Trainer.fit``."""
        return self.of(Fit)
