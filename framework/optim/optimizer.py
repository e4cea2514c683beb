"""Optimizer: the base class of update rules, which work on the flat arrays of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from firstlight.optim._checks import check_update, make_groups, misfit, plain
from firstlight.optim.loss_scale import LossScale
from firstlight.parameter import Flat, Parameter, flatten
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.forms import accelerated

Group = dict[str, Any]  # hyper-parameters, and the parameters they apply to as "params"
Params = Iterable[Parameter] | Iterable[Group]


class Optimizer:
    """Base class of all optimizers.

    The constructor moves the parameters to two flat arrays, ``flat.data`` and ``flat.grad``, group
    after group. `step` passes slices of these arrays, and of the flat state arrays, to `update`,
    the update rule. A slice may be the parameters of a whole group, or a part of them that fits in
    the cache, so the rule must be elementwise.

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups: dicts with "params" and the hyper-parameters that differ from the
        defaults, e.g. ``[{"params": matrices}, {"params": biases, "weight_decay": 0.0}]``.
    defaults : dict
        Hyper-parameters of groups that do not set their own.

    Attributes
    ----------
    param_groups : list of dict
        As in PyTorch; assign to their items to change a learning rate.
    flat : firstlight.parameter.Flat
    state : dict of str to array, shape of ``flat.data``
    steps : int
        Steps taken.
    loss_scale : firstlight.optim.loss_scale.LossScale or None
        Skips steps whose half-precision gradient is not finite.

    Raises
    ------
    ValueError
        No parameters, one in two groups, a bad hyper-parameter.
    TypeError
        Not parameters, an unknown hyper-parameter in a group, or an `update` with other arguments.

    Examples
    --------
    A custom optimizer is its update rule:

    >>> import numpy as np
    >>> from firstlight import Parameter
    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr=0.5):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     def update(self, group, t, w, g):
    ...         w -= group["lr"] * np.sign(g)
    >>> p = Parameter(np.zeros(3))
    >>> optimizer = SignDescent([p])
    >>> p.grad += np.array([7.0, 0.0, -2.0])
    >>> optimizer.step()
    >>> p.data
    array([-0.5,  0. ,  0.5])

    Its state arrays are named in ``state_names``, and follow g:

    >>> class Momentum(SignDescent):
    ...     state_names = ("mean",)
    ...
    ...     def update(self, group, t, w, g, m):
    ...         m[...] = 0.9 * m + 0.1 * g
    ...         w -= group["lr"] * m
    >>> Momentum([p]).state
    {'mean': array([0., 0., 0.])}
    """

    state_names: tuple[str, ...] = ()  # of the flat state arrays, in the order `update` takes them
    optional_state: dict[str, str] = {}  # state arrays that exist only if a hyper-parameter is set

    def __init__(self, params: Params, defaults: dict[str, Any]):
        check_update(self)
        self.param_groups: list[Group] = make_groups(type(self).__name__, params, defaults)
        for group in self.param_groups:
            self._check(group)
        self.flat: Flat = flatten([p for group in self.param_groups for p in group["params"]])
        self._check_eps()
        self.state: dict[str, Array] = {
            name: np.zeros_like(self.flat.data) for name in self.state_names if self._needs(name)
        }
        self.steps: int = 0
        self.loss_scale: LossScale | None = None
        self._missed = [0] * len(self.flat.windows)  # steps each parameter was frozen in
        self._trained, self._spans, self._frozen = None, [], []

    def due(self) -> list[Optimizer]:
        """Return the optimizers that the Trainer steps after a backward: this one."""
        return [self]

    def by_name(self) -> dict[str, Optimizer]:
        """Return ``{"": self}``; several `Optimizers` return themselves by their names."""
        return {"": self}

    def update(self, group: Group, t: int, w: Array, g: Array, *state: Any) -> None:
        """Change the values ``w`` and the state in place; every array is the same slice.

        Parameters
        ----------
        group : dict
            The hyper-parameters.
        t : int
            Number of the step for these values, from 1; steps while frozen do not count.
        w, g : array, shape (n,)
            Values and gradient. ``g`` must not be changed.
        *state : array, shape (n,)
            The state arrays in the order of ``state_names``, None for one that no group needs.
        """
        raise NotImplementedError(f"{type(self).__name__}.update is missing")

    @accelerated
    def step(self) -> None:
        """Update every parameter that is not frozen."""
        for group, t, w, g, *state in self.begin_step():
            self.update(group, t, w, g, *state)
        self.end_step()

    def begin_step(self, *, skip_bad: bool = True) -> list[tuple[Any, ...]]:
        """Count a step, and return ``(group, t, w, g, *state)`` of each span to update.

        If the loss scale skips the step, there are none; the host waits for the GPU to know.
        With ``skip_bad=False``, ``update`` must skip it, and ``t`` includes the steps skipped.
        """
        if skip_bad:
            self._settle()
        spans = self.parameter_spans()
        arrays = [self.flat.data, self.flat.grad, *self.state_in_order()]
        self.steps += 1
        for index in self._frozen:
            self._missed[index] += 1
        if skip_bad and self.loss_scale is not None and self.loss_scale.is_bad():
            return []
        return [
            (group, self.steps - missed, *(a if a is None else a[start:stop] for a in arrays))
            for group, start, stop, missed in spans
        ]

    def end_step(self) -> None:
        """Set the loss scale of the next step, if there is one."""
        if self.loss_scale is not None:
            self.loss_scale.update()

    @accelerated
    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        self.flat.grad[...] = 0

    def spans(self) -> list[tuple[Group, int, int]]:
        """Return ``(group, start, stop)`` of each trained span of the flat arrays, in order."""
        return [(group, start, stop) for group, start, stop, _ in self.parameter_spans()]

    @accelerated
    def grad_norm(self) -> Array | np.float64:
        """Return the L2 norm of the gradient of all trained parameters, a float64 0-d array."""
        squares = [np.sum(g.astype("float64") ** 2) for g in self.trained_grads()]
        return sum(squares) ** 0.5

    def scale_grad(self, factor: float | Array) -> None:
        """Multiply the gradient by a factor, a number or a 0-d array, in place and in its dtype."""
        factor = factor.astype(self.flat.grad.dtype) if hasattr(factor, "astype") else factor
        for g in self.trained_grads():
            g *= factor

    def clip_grad(self, limit: float) -> None:
        """Clamp every entry of the gradient to [-limit, limit], in place."""
        for g in self.trained_grads():
            np.clip(g, -limit, limit, out=g)

    @property
    def lr(self) -> float:
        """Learning rate of the first group; setting it sets every group's."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def state_dict(self) -> dict[str, Any]:
        """Return the state: arrays under "arrays", everything else JSON-able.

        Returns
        -------
        dict
            ``optimizer`` (the class's name), ``steps``, ``groups`` (each its hyper-parameters and
            the steps of its parameters), ``loss_scale`` (if there is one) and ``arrays``.
            The arrays are windows, not copies: ``"exp_avg.3"`` is Adam's first moment of the
            parameter that is fourth in memory, in its shape.
        """
        self._settle()
        taken = iter([self.steps - missed for missed in self._missed])
        groups = [
            {**plain(group), "steps": [next(taken) for _ in group["params"]]}
            for group in self.param_groups
        ]
        state = {"optimizer": type(self).__name__, "steps": self.steps, "groups": groups}
        if self.loss_scale is not None:
            state["loss_scale"] = self.loss_scale.state_dict()
        return state | {"arrays": self._state_windows()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` of an optimizer of the same model and groups returned.

        Raises
        ------
        ValueError
            The class, groups, names or shapes differ, or a hyper-parameter is bad. Nothing is
            changed then.
        """
        problem = misfit(self.state_dict(), state)
        if problem:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: {problem}; "
                "make model and optimizer as they were when the state was saved"
            )
        groups = [plain(saved) for saved in state["groups"]]
        steps = [count for group in groups for count in group.pop("steps")]
        for group in groups:
            self._check(group)
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update(saved)
        for name, window in self._state_windows().items():
            source = np.asarray(to_host(state["arrays"][name]), window.dtype, order="C")
            if hasattr(window, "set"):  # a CuPy array
                window.set(source)
            else:
                window[...] = source
        self.steps = state["steps"]
        self._missed = [self.steps - count for count in steps]
        self._trained = None
        if self.loss_scale is not None and "loss_scale" in state:
            self.loss_scale.load_state_dict(state["loss_scale"])

    def __repr__(self) -> str:
        groups = [
            ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            + f", {len(group['params'])} parameters"
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(groups)})"

    def _needs(self, name):
        switch = self.optional_state.get(name)
        return switch is None or any(group[switch] for group in self.param_groups)

    def state_in_order(self) -> list[Array | None]:
        """Return the state arrays in the order of ``update``, None for one that no group needs."""
        for name, switch in self.optional_state.items():
            if name not in self.state and self._needs(name):
                raise RuntimeError(
                    f"{type(self).__name__}: {switch} was off in every group when the optimizer "
                    f"was made, so it keeps no {name}; make it with the {switch} it will have"
                )
        return [self.state.get(name) for name in self.state_names]

    def _state_windows(self):
        return {
            f"{name}.{index}": array[window].reshape(parameter.shape)
            for name, array in self.state.items()
            for index, (parameter, window) in enumerate(self.flat.windows)
        }

    def trained_grads(self) -> list[Array]:
        """Return the gradient of each contiguous span of trained parameters."""
        return [self.flat.grad[start:stop] for _, start, stop, _ in self.parameter_spans()]

    def parameter_spans(self) -> list[tuple[Group, int, int, int]]:
        """Return ``(group, start, stop, missed)`` of each contiguous span of the flat arrays.

        The parameters of a span are trained, belong to one group and missed the same number of
        steps. The spans are found again when freezing changes.
        """
        flat = self.flat
        trained = [p.requires_grad if p.flat is flat else None for p, _ in flat.windows]
        if trained != self._trained:
            if None in trained:
                raise RuntimeError(
                    f"{type(self).__name__}: the model's parameters have moved to other memory "
                    "(model.to(...), or another optimizer was made); make the optimizer afterwards"
                )
            self._settle()
            self._trained, self._spans = trained, self._find_spans(trained)
            self._frozen = [index for index, is_trained in enumerate(trained) if not is_trained]
        return self._spans

    def _find_spans(self, trained):
        owners = [group for group in self.param_groups for _ in group["params"]]
        spans, before = [], None
        for index, (_, window) in enumerate(self.flat.windows):
            missed = self._missed[index]
            here = (id(owners[index]), missed) if trained[index] else None
            if here and here == before:
                spans[-1][2] = window.stop  # the padding between stays zero
            elif here:
                spans.append([owners[index], window.start, window.stop, missed])
            before = here
        return spans

    def _settle(self):
        """Count the steps that the loss scale skipped as missed; the host waits for the GPU."""
        if self.loss_scale is None or self._trained is None:  # none since the last time
            return
        skipped = self.loss_scale.take_skipped()
        if skipped:
            for index in set(range(len(self._missed))) - set(self._frozen):
                self._missed[index] += skipped
            self._trained = None

    def _check_eps(self):
        for group in self.param_groups:
            if "eps" in group and self.flat.data.dtype.type(group["eps"]) == 0:
                raise ValueError(
                    f"{type(self).__name__}: eps={group['eps']} is 0 in {self.flat.data.dtype}, "
                    "and would divide 0 by 0; pass a larger one, e.g. eps=1e-4"
                )

    def _check(self, group):
        """Raise a ValueError for invalid hyper-parameters."""
        for name in ("lr", "weight_decay", "momentum", "lr_decay"):
            if name in group and not group[name] >= 0:
                raise ValueError(
                    f"{type(self).__name__}: expected {name} of 0 or more, got {group[name]}"
                )
        if "eps" in group and not group["eps"] > 0:  # the padding divides 0 by 0 + eps
            raise ValueError(f"{type(self).__name__}: expected eps above 0, got {group['eps']}")
