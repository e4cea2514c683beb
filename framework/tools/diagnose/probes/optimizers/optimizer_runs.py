"""Optimizers of the user's own, run on gradients whose right answer is known."""

import ast
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.parameter import Parameter, flatten
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.module.user_source import UserFunction
from firstlight.tools.diagnose.probes.optimizers.optimizer_claims import (
    LIBRARY,
    candidates,
    claimed_family,
    hyper_parameters,
)
from firstlight.tools.diagnose.probes.optimizers.optimizer_recording import (
    FirstUpdate,
    contained,
    copied,
)
from firstlight.tools.diagnose.probes.optimizers.update_rules import (
    Rule,
    Settings,
    are_same,
    healthy,
    matching,
    mistaken,
)

STEPS, SIZE = 8, 0.05  # of the gradients
ENTRIES = 6  # of each parameter that get a gradient


@dataclass
class OptimizerRun(Evidence):
    """An optimizer of the user's class, whose first step was recorded."""

    first: FirstUpdate
    group = "training"
    where = "optimizer"

    def __post_init__(self):
        self.type = type(self.first.optimizer).__name__
        if self.rule is not None:
            self.at = self.rule.place(self.rule.tree.lineno)

    @property
    def subject(self) -> str:
        """What the line of the table is about."""
        return f"update rule of {self.type}"

    @functools.cached_property
    def rule(self) -> UserFunction | None:
        """The method that holds the formula, None if it is not the user's."""
        own = vars(type(self.first.optimizer))
        is_rule = isinstance(self.first.optimizer, Optimizer) and "update" in own
        return UserFunction.of(own.get("update" if is_rule else self.first.method))

    def bound_again(self, state: str) -> Place | None:
        """Return the line of ``update`` that assigns to the name of a state array, None without."""
        names = list(getattr(self.first.optimizer, "state_names", ()))
        if self.rule is None or state not in names:
            return None
        given = [one.arg for one in self.rule.tree.args.args[5:]]  # after self, group, t, w and g
        own = dict(zip(names, given, strict=False)).get(state)
        for node in ast.walk(self.rule.tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(one, ast.Name) and one.id == own for one in targets):
                return self.rule.place(node.lineno)
        return None

    @functools.cached_property
    def family(self) -> str:
        """The family that it claims to be of, "" if none."""
        return claimed_family(self.type, hyper_parameters(self.first.optimizer))

    @functools.cached_property
    def settings(self) -> Settings:
        """The candidates for its hyper-parameters."""
        code = () if self.rule is None else self.rule.function.__code__.co_consts
        literals = [value for value in code if isinstance(value, float)]
        sizes = [len(w) for w in self.plain.in_first_group[0]]
        owners = np.repeat(np.arange(len(sizes)), sizes)
        known = hyper_parameters(self.first.optimizer)
        return candidates(self.family, known, literals, owners)

    @functools.cached_property
    def rules(self) -> list[Rule]:
        """The usual rules of its family."""
        decays = self.settings.decay != [0.0]
        return healthy(self.family, decays) if self.family else []

    def follows(self, rules: Any, run: "Run") -> Rule | None:
        """Return the first of some rules that explains a run, or None."""
        return matching(rules, *_joined(run.in_first_group), self.settings)

    @functools.cached_property
    def usual(self) -> list[Array]:
        """The weights that its family's rules give, shape (steps, combinations, entries).

        Those of firstlight's optimizers are among them, where these have the same settings.
        """
        start, gradients, _ = _joined(self.plain.in_first_group)
        with np.errstate(all="ignore"):
            found = [rule.weights(start, gradients, self.settings) for rule in self.rules]
        group = getattr(self.first.optimizer, "param_groups", [{}])[0]
        options = {name: value for name, value in group.items() if name != "params"}
        for kind in LIBRARY.get(self.family, ()) if options else ():
            with contextlib.suppress(TypeError, ValueError):  # it has no such settings
                made = kind(contained(copied(self.first.optimizer), Parameter), **options)
                run = OptimizerRun(FirstUpdate(made)).plain
                found.append(_joined(run.in_first_group)[2][:, None])
        return found

    def is_usual(self, run: "Run") -> bool:
        """Return whether a run on the same gradients is that of one of its family's rules."""
        start, _, weights = _joined(run.in_first_group)
        return any(are_same(made[: len(weights)], weights, start) for made in self.usual)

    def mistake(self) -> str:
        """Return the name of the one mistake that turns a rule of its family into its steps."""
        if not self.rules or self.is_usual(self.plain):
            return ""
        wrong = {made: name for rule in self.rules for name, made in mistaken(rule)}
        found = self.follows(wrong, self.plain)
        return "" if found is None else wrong[found]

    @functools.cached_property
    def plain(self) -> "Run":
        """The run on `pattern`."""
        return self.run(pattern)

    @functools.cached_property
    def moves_weights(self) -> bool:
        """Whether it moves weights by their gradients, and runs no network."""
        ran = mock.Mock(side_effect=LookupError)
        with mock.patch.object(Module, "__call__", ran), contextlib.suppress(Exception):
            rest = self.run(lambda parameter, step: np.zeros(ENTRIES))
            still = [w[:, w0 == 0] for w, w0 in zip(rest.weights, rest.start, strict=True)]
            moved = any(moved.any() for moved in self.plain.moved)
            return moved and not any(w.any() for w in still)
        return False

    def run(self, gradients: Callable[[int, int], Array], steps: int = STEPS) -> "Run":
        """Return the weights of some steps of a copy.

        Parameters
        ----------
        gradients : callable
            ``gradients(parameter, step)`` returns the first entries of its gradient.
        steps : int
        """
        first = self.first
        twin, (positional, named) = whole = copied((first.optimizer, first.arguments))
        parameters = _double(whole)
        start, weights, given = [firsts(p.data) for p in parameters], [], []
        for step in range(steps):
            given.append([])
            for index, p in enumerate(parameters):
                g = np.zeros(p.size)
                g[:ENTRIES] = gradients(index, step)[: g.size]
                p.grad[...] = g.reshape(p.shape)
                given[-1].append(firsts(p.grad))
            with np.errstate(all="ignore"):  # a wrong rule may divide by zero
                getattr(twin, first.method)(*positional, **named)
            weights.append([firsts(p.data) for p in parameters])
        group = getattr(twin, "param_groups", [{"params": parameters}])[0]["params"]
        alike = [p.requires_grad and any(p is member for member in group) for p in parameters]
        state = twin.state if isinstance(twin, Optimizer) else {}
        unwritten = [name for name, array in state.items() if not array.any()]
        return Run(start, _by_parameter(given), _by_parameter(weights), alike, unwritten)


@dataclass
class Run:
    """Weights of some steps, and the gradients; lists by parameter of its first entries.

    ``alike`` says which parameters are trained and belong to the first group, ``unwritten`` names
    the state arrays that are zero after all steps.
    """

    start: list[Array]
    gradients: list[Array]
    weights: list[Array]
    alike: list[bool]
    unwritten: list[str]

    @property
    def moved(self) -> list[Array]:
        """Movements from the start, each of shape (steps, entries)."""
        return [w - start for w, start in zip(self.weights, self.start, strict=True)]

    @property
    def in_first_group(self) -> list[list[Array]]:
        """Starts, gradients and weights of the parameters that are alike."""
        chosen = [index for index, same in enumerate(self.alike) if same]
        return [[part[i] for i in chosen] for part in (self.start, self.gradients, self.weights)]


@functools.cache
def pattern(parameter: int, step: int) -> Array:
    """Return gradients of one parameter: constant, alternating, rare, growing and random ones."""
    rng = np.random.default_rng([parameter, step])
    alternating = 2.0 if step % 2 == 0 else -1.0
    entries = [1.0, alternating, 1.0 * (step in (1, 4)), -0.3 - 0.3 * step, *rng.normal(size=2)]
    return SIZE * np.roll(entries, -parameter)


def firsts(array: Array) -> Array:
    """Return the first entries in float64."""
    return array.ravel()[:ENTRIES].astype("float64")


def _joined(parts):
    return [np.concatenate(part, axis=-1) for part in parts]


def _by_parameter(steps):
    return [np.array(entries) for entries in zip(*steps, strict=True)]


def _double(whole):
    """Give copied parameters and optimizers memory of their own in float64; return the former."""
    parameters = contained(whole, Parameter)
    for p in parameters:
        p.bind(p.data.astype("float64"), np.zeros(p.shape))
    for optimizer in contained(whole, Optimizer):
        optimizer.flat = flatten([p for group in optimizer.param_groups for p in group["params"]])
        optimizer.state = {name: np.zeros_like(optimizer.flat.data) for name in optimizer.state}
        optimizer._trained = None
    return parameters
