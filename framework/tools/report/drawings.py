"""Figures that are drawn on request, once for each print width."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from firstlight.tools.figures.style import widest
from firstlight.tools.language import current_language, speaking

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Figures(Mapping[str, "Figure"]):
    """Figures by name, drawn when they are asked for, once for each width of `printed`."""

    def __init__(self) -> None:
        self._drawings: list[Callable[[], dict[str, Figure]]] = []
        self._language: str = current_language()
        self._drawn: dict[float, dict[str, Figure]] = {}

    def add(self, drawing: "Callable[[], dict[str, Figure]]") -> None:
        """Add a function that draws some of them."""
        self._drawings.append(drawing)
        self._drawn.clear()

    def __getitem__(self, name: str) -> "Figure":
        return self._here()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._here())

    def __len__(self) -> int:
        return len(self._here())

    def _here(self):
        if widest() not in self._drawn:
            with speaking(self._language):
                found = [drawing() for drawing in self._drawings]
            self._drawn[widest()] = {name: one for each in found for name, one in each.items()}
        return self._drawn[widest()]
