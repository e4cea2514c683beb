"""Compose: apply transforms in order."""

from collections.abc import Iterable
from typing import Any

from firstlight.data.augment.resample import Warp, warped
from firstlight.data.transforms import Transform


class Compose:
    """Apply transforms in order; consecutive warps share one resampling.

    Parameters
    ----------
    transforms : list of callable
        Each ``f(batch, rng) -> batch``.

    Raises
    ------
    TypeError
        Something that cannot be called.

    Examples
    --------
    >>> from firstlight.data.augment import Compose, ElasticTransform, RandomAffine
    >>> from firstlight.data.transforms import Scale
    >>> Compose([Scale(255), RandomAffine(10), ElasticTransform()])
    Compose(Scale(high=255, mean=0.0, std=1.0), RandomAffine(degrees=(-10.0, 10.0), \
translate=(0.0, 0.0), scale=(1.0, 1.0), shear=(-0.0, 0.0, -0.0, 0.0), fill=0), \
ElasticTransform(alpha=34, sigma=4, fill=0))
    """

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms: list[Transform] = list(transforms)
        self._steps = []  # functions, and lists of consecutive warps
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(
                    f"Compose: expected transforms f(batch, rng) -> batch, got {transform!r}"
                )
            last = self._steps[-1] if self._steps else None
            if isinstance(transform, Warp) and isinstance(last, list):
                same = last[0].fill == transform.fill
                last.append(transform) if same else self._steps.append([transform])
            else:
                self._steps.append([transform] if isinstance(transform, Warp) else transform)

    def __call__(self, batch: Any, rng: Any) -> Any:
        """Return the transformed batch."""
        for step in self._steps:
            if isinstance(step, list):
                x, *others = batch
                batch = (warped(x, step, rng), *others)
            else:
                batch = step(batch, rng)
        return batch

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"
