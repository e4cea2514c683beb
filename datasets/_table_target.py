"""The target column of a table: classes of words and whole numbers, amounts of other numbers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.data.preprocessing import Preprocessing
from firstlight.datasets._columns import as_texts
from firstlight.datasets._lines import CellError, as_number, is_number
from firstlight.datasets.targets import check_class_count
from firstlight.support.array import Array


@dataclass
class Target:
    """The cells of a target column.

    Parameters
    ----------
    cells : array, shape (N,)
    where : str
        File and column, for messages.
    place : callable
        ``place(row) -> str`` names a cell, for messages.
    decimal : {".", ","}
    """

    cells: Any
    where: str
    place: Callable[[int], str]
    decimal: str = "."

    def read(
        self, regression: bool | None, like: Preprocessing | None = None
    ) -> tuple[Array, list[str] | None]:
        """Return y and the names of the classes, or None for a regression.

        Returns
        -------
        y : array
            int64 (N,), or float64 (N, 1) for a regression.
        classes : list of str or None

        Raises
        ------
        ValueError
            A cell is missing, is no number, or the target is ambiguous.
        """
        cells = self.cells = as_texts(self.cells)
        if "" in cells:
            raise ValueError(
                f"{self.place(cells.index(''))}: the target is missing; leave out the line"
            )
        if like is not None:
            return self._amounts() if like.classes is None else self._classes()
        numbers = all(is_number(cell, self.decimal) for cell in set(cells))
        if regression or (numbers and regression is None and not self._are_whole()):
            return self._amounts()
        y, classes = self._classes()
        if regression is None:
            what = "whole numbers" if numbers else "words"
            check_class_count(len(classes), len(y), self.where, f"{what} as targets")
        if numbers:
            self._check_spelling(classes)
        return y, classes

    def _are_whole(self):
        """Return whether all numbers are integers; raise a ValueError if that is ambiguous."""
        different = set(self.cells)
        if all(cell.lstrip("+-").isdigit() for cell in different):
            return True
        whole = all(re.fullmatch(r"[+]?\d+([.,]0*)?", cell) for cell in different)
        if whole and len(different) <= 20 and 2 * len(different) <= len(self.cells):
            raise ValueError(
                f"{self.where}: {', '.join(sorted(different))} may be class labels or amounts: say "
                "regression=false for classes, regression=true for a regression"
            )
        return False

    def _check_spelling(self, classes):
        """Raise a ValueError if two classes are one number, as 1 and 01 are."""
        found = {}
        for name in classes:
            other = found.setdefault(float(name.replace(",", ".")), name)
            if other != name:
                raise ValueError(
                    f"{self.where}: {other} and {name} are the same number; spell it alike, or let "
                    "classes that differ begin with a letter"
                )

    def _classes(self):
        """Return labels and the classes' names, in numerical or alphabetical order."""
        names = set(self.cells)
        by_size = all(is_number(name) for name in names)
        classes = sorted(names, key=(lambda name: (float(name), name)) if by_size else None)
        place = {name: label for label, name in enumerate(classes)}
        return np.fromiter((place[cell] for cell in self.cells), "int64", len(self.cells)), classes

    def _amounts(self):
        y = np.empty((len(self.cells), 1))
        for row, cell in enumerate(self.cells):
            y[row] = as_number(cell, self.decimal) if is_number(cell, self.decimal) else np.nan
            if not np.isfinite(y[row, 0]):
                raise CellError(
                    f"{self.place(row)}: expected a number, got {cell!r}; fill in what is missing, "
                    "or leave out the line"
                )
        check_float32(y[:, 0], self.where)
        return y, None


def check_float32(numbers: Array, where: str) -> None:
    """Raise a ValueError if float32 cannot distinguish most values of a column (N,)."""
    size = np.abs(numbers).max()
    if np.ptp(numbers) < 1e-4 * size:
        different = len(np.unique(numbers)), len(np.unique(numbers.astype("float32")))
        if 2 * different[1] < different[0]:
            raise ValueError(
                f"{where}: float32 distinguishes only {different[1]:,} of {different[0]:,} "
                f"different numbers near {size:.6g}; subtract their mean, or use standardize=true "
                "for inputs"
            )
