"""The table of a `LayerMonitor`: one row a layer."""

from collections.abc import Mapping
from dataclasses import dataclass

HEAD = ("layer", "class", "mean", "std", "zeros", "dead", "grad norm", "update ratio")


@dataclass
class LayerRow:
    """What was measured of one layer; None where nothing was.

    Attributes
    ----------
    type : str
        The layer's class.
    mean, std, zeros : float or None
        Of its outputs; the share of exact zeros.
    dead : float or None
        Share of units that were zero in all samples of several measurements.
    gradient, update : float or None
        Norm of its gradient; ‖Δw‖ / ‖w‖ of its parameters.
    """

    type: str
    mean: float | None = None
    std: float | None = None
    zeros: float | None = None
    dead: float | None = None
    gradient: float | None = None
    update: float | None = None

    @property
    def is_measured(self) -> bool:
        """Whether there is anything to show."""
        return self.std is not None or self.gradient is not None

    def cells(self) -> tuple[str, ...]:
        """Return the cells after the layer's name."""
        shares = ("" if share is None else f"{share:.1%}" for share in (self.zeros, self.dead))
        sizes = ("" if size is None else f"{size:.1e}" for size in (self.gradient, self.update))
        values = (
            "" if value is None else f"{value:#.3g}".rstrip(".") for value in (self.mean, self.std)
        )
        return (self.type, *values, *shares, *sizes)


def layer_table(rows: Mapping[str, LayerRow]) -> str:
    """Return a table as text.

    Examples
    --------
    >>> from firstlight.callbacks._shared.layer_table import LayerRow, layer_table
    >>> print(layer_table({"0": LayerRow("ReLU", 0.5, 1.0, zeros=0.25)}))
    layer  class   mean   std  zeros  dead  grad norm  update ratio
    0      ReLU   0.500  1.00  25.0%
    """
    cells = [HEAD, *((name, *row.cells()) for name, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )
