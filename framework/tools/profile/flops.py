"""Floating-point operations of each layer in one training step."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from firstlight.module import Module
from firstlight.support.state import children
from firstlight.support.wrapping import Wrapping


def step_flops(module: Module, batch: Any, names: dict[int, str]) -> Counter[str]:
    """Return the operations of forward and backward of a batch, by layer.

    Forward runs once; use it within `firstlight.training.dry_runs.dry_run`. Its operations are
    those of `Module.flops`. Backward has twice as many in a layer that defines ``flops``, such as a
    product, whose dL/dx and dL/dw are products of the same size; as many if the layer skips dL/dx,
    or computes one operation an output.

    Parameters
    ----------
    module : Module
    batch
    names : dict of int to str
        Layers by the id of each module; the operations of other modules count for the innermost
        layer that contains them.
    """
    found: Counter[str] = Counter()
    wrapping = Wrapping()

    def count(part: Module, name: str) -> None:
        name = names.get(id(part), name)
        if not any(children(part)) or type(part).flops is not Module.flops:
            wrapping.replace(part, "forward", _counting(part, name, found))
        for _, child in children(part):
            if id(child) not in seen:
                seen.add(id(child))
                count(child, name)

    seen = {id(module)}
    try:
        count(module, "")
        module.training_step(batch)
    finally:
        wrapping.restore()
    return found


def _counting(
    part: Module, name: str, found: Counter[str]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    is_product = type(part).flops is not Module.flops
    backward = 2 if is_product and part.needs_dx else 1

    def wrapper(forward: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*inputs: Any, **options: Any) -> Any:
            y = forward(*inputs, **options)
            output = y[0] if isinstance(y, tuple) else y
            if inputs and hasattr(output, "shape"):
                found[name] += int(part.flops(inputs[0], output)) * (1 + backward)
            return y

        return counted

    return wrapper
