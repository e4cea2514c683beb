"""Optimizer: walks the flat arrays in blocks; subclasses are an update rule on slices."""

import numpy as np

from firstlight import fast
from firstlight.fast.blocked.parallel import even_rows, spread
from firstlight.fast.cuda.fused_optimizer import fused_rule, launch_runs
from firstlight.fast.cuda.loss_scale import settle
from firstlight.optim.groups import make_groups, plain
from firstlight.optim.matching import misfit
from firstlight.optim.runs import find_runs
from firstlight.parameter import flatten
from firstlight.support.backend import to_host

# Elements a block: it stays in the cache for several passes. 10.8 M parameters, an Adam step: 40 ms
# whole, 24 ms in blocks, 16 ms on two threads; below LARGE, waking them costs what they win.
BLOCK, LARGE = 131_072, 1_000_000


class Optimizer:
    """Base class of all optimizers.

    Making one lays the parameters out on two flat arrays, ``flat.data`` and ``flat.grad``, group
    after group. `step` then walks these arrays, and the flat state arrays beside them, block by
    block, and hands slices to `update`, the rule itself.

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups: dicts with "params" and the hyper-parameters that differ from the
        defaults, e.g. ``[{"params": matrices}, {"params": biases, "weight_decay": 0.0}]``.
    defaults : dict
        Hyper-parameters for every group that does not name its own.

    Attributes
    ----------
    param_groups : list of dict
        As in PyTorch; write into them to change a learning rate.
    flat : firstlight.parameter.Flat
    state : dict of str to array, shape of ``flat.data``
    steps : int
        Steps taken.
    loss_scale : firstlight.fast.cuda.loss_scale.LossScale or None
        What leaves out steps whose half-precision gradient is not finite.

    Raises
    ------
    ValueError
        No parameters, one in two groups, a bad hyper-parameter.
    TypeError
        Something else than parameters, or an unknown hyper-parameter in a group.

    Examples
    --------
    An optimizer of one's own is its rule:

    >>> import numpy as np
    >>> from firstlight import Parameter
    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr=0.5):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     def update(self, group, t, w, g, step):
    ...         np.sign(g, out=step)
    ...         step *= group["lr"]
    ...         w -= step
    >>> p = Parameter(np.zeros(3))
    >>> optimizer = SignDescent([p])
    >>> p.grad += np.array([7.0, 0.0, -2.0])
    >>> optimizer.step()
    >>> p.data
    array([-0.5,  0. ,  0.5])
    """

    state_names = ()  # names of the flat state arrays, in the order `update` takes them
    optional_state = {}  # those that exist only if some group sets a hyper-parameter: its name
    scratch_rows, fused = 1, None  # block-sized scratch arrays; `update` as one kernel, on a GPU

    def __init__(self, params, defaults):
        self.param_groups = make_groups(type(self).__name__, params, defaults)
        for group in self.param_groups:
            self._check(group)
        self.flat = flatten([p for group in self.param_groups for p in group["params"]])
        self._check_eps()
        self.state = {
            name: np.zeros_like(self.flat.data) for name in self.state_names if self._needs(name)
        }
        self.steps, self.loss_scale = 0, None
        self._missed = [0] * len(self.flat.windows)  # steps each parameter was frozen in
        self._trained, self._runs, self._frozen = None, [], []

    def update(self, group, t, w, g, *state_and_scratch):
        """Change the values ``w`` in place; every array is a slice of the same block.

        Parameters
        ----------
        group : dict
            The hyper-parameters.
        t : int
            Which step this is for these values, 1 for the first; frozen steps do not count.
        w, g : array, shape (n,)
            Values and gradient. ``g`` must be left as it is.
        *state_and_scratch : array, shape (n,)
            First the state arrays in the order of ``state_names`` (None for one that no group
            needs), then the scratch arrays.
        """
        raise NotImplementedError(f"{type(self).__name__}.update is missing")

    def step(self):
        """Update every parameter that is not frozen from its gradient."""
        fused = fused_rule(self)
        if fused is None:
            settle(self)
        runs, state = self.trained_runs(), self.state_in_order()
        self.steps += 1
        for index in self._frozen:
            self._missed[index] += 1
        if fused is not None:
            launch_runs(self, fused, self.steps)
            runs = []
        elif self.loss_scale is not None and self.loss_scale.is_bad():
            runs = []
        for group, start, stop, missed in runs:

            def update(low, high, group=group, start=start, t=self.steps - missed):
                block = slice(start + low, start + high)
                self.update(
                    *(group, t),
                    self.flat.data[block],
                    self.flat.grad[block],
                    *[None if array is None else array[block] for array in state],
                    *np.empty_like(self.flat.data, shape=(self.scratch_rows, high - low)),
                )

            _each_block(update, stop - start, self.flat.data)
        if self.loss_scale is not None:
            self.loss_scale.update()

    def zero_grad(self):
        """Set every gradient to zero."""
        self.flat.grad[...] = 0

    def spans(self):
        """Return ``(group, start, stop)`` runs of the flat arrays that are trained, in order."""
        return [(group, start, stop) for group, start, stop, _ in self.trained_runs()]

    def grad_norm(self):
        """Return the L2 norm of the gradient of all trained parameters, a float64 0-d array."""
        return sum(map(fast.sum_of_squares, self._trained_grads())) ** 0.5

    def scale_grad(self, factor):
        """Multiply the gradient by a factor, a number or a 0-d array, in place and in its dtype."""
        factor = factor.astype(self.flat.grad.dtype) if hasattr(factor, "astype") else factor
        for g in self._trained_grads():
            g *= factor

    def clip_grad(self, limit):
        """Clamp every entry of the gradient to [-limit, limit], in place."""
        for g in self._trained_grads():
            np.clip(g, -limit, limit, out=g)

    @property
    def lr(self):
        """Learning rate of the first group; setting it sets every group's."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value):
        for group in self.param_groups:
            group["lr"] = value

    def state_dict(self):
        """Return the state: arrays under "arrays", all the rest JSON-able.

        Returns
        -------
        dict
            ``optimizer`` (the class's name), ``steps``, ``groups`` (each its hyper-parameters and
            the steps of its parameters), ``loss_scale`` (if there is one) and ``arrays``.
            The arrays are windows, not copies: ``"exp_avg.3"`` is Adam's first moment of the
            parameter that stands fourth in memory, in its shape.
        """
        settle(self)
        taken = iter([self.steps - missed for missed in self._missed])
        groups = [
            {**plain(group), "steps": [next(taken) for _ in group["params"]]}
            for group in self.param_groups
        ]
        state = {"optimizer": type(self).__name__, "steps": self.steps, "groups": groups}
        if self.loss_scale is not None:
            state["loss_scale"] = self.loss_scale.state_dict()
        return state | {"arrays": self._state_windows()}

    def load_state_dict(self, state):
        """Take over what `state_dict` returned, from an optimizer of the same model and groups.

        Raises
        ------
        ValueError
            Another optimizer's: its class, groups, names or shapes differ, or a hyper-parameter
            is bad. Nothing is changed then.
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

    def __repr__(self):
        groups = [
            ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            + f", {len(group['params'])} parameters"
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(groups)})"

    def _needs(self, name):
        switch = self.optional_state.get(name)
        return switch is None or any(group[switch] for group in self.param_groups)

    def state_in_order(self):
        """Return the state's arrays in the order of ``update``, None for what nobody needs."""
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

    def _trained_grads(self):
        return [self.flat.grad[start:stop] for _, start, stop, _ in self.trained_runs()]

    def trained_runs(self):
        """Return ``(group, start, stop, missed)`` of each run; found anew when freezing changes."""
        flat = self.flat
        trained = [p.requires_grad if p.flat is flat else None for p, _ in flat.windows]
        if trained != self._trained:
            if None in trained:
                raise RuntimeError(
                    f"{type(self).__name__}: the model's parameters have moved to other memory "
                    "(model.to(...), or another optimizer was made); make the optimizer afterwards"
                )
            settle(self)
            self._trained, self._runs = trained, find_runs(self, trained)
            self._frozen = [index for index, is_trained in enumerate(trained) if not is_trained]
        return self._runs

    def _check_eps(self):
        for group in self.param_groups:
            if "eps" in group and self.flat.data.dtype.type(group["eps"]) == 0:
                raise ValueError(
                    f"{type(self).__name__}: eps={group['eps']} is 0 in {self.flat.data.dtype}, "
                    "and would divide 0 by 0; pass a larger one, e.g. eps=1e-4"
                )

    def _check(self, group):
        """Raise a ValueError for hyper-parameters that no rule can take."""
        for name in ("lr", "weight_decay", "momentum", "lr_decay"):
            if name in group and not group[name] >= 0:
                raise ValueError(
                    f"{type(self).__name__}: expected {name} of 0 or more, got {group[name]}"
                )
        if "eps" in group and not group["eps"] > 0:  # the padding divides 0 by 0 + eps
            raise ValueError(f"{type(self).__name__}: expected eps above 0, got {group['eps']}")


def _each_block(update, size, flat):
    if not isinstance(flat, np.ndarray):
        update(0, size)
    elif size < LARGE:
        for low in range(0, size, BLOCK):
            update(low, min(low + BLOCK, size))
    else:
        spread(update, size, even_rows(size, 2))  # blocks of about 2 · BLOCK
