"""LivePicture: a figure below a notebook's cell that is redrawn in place."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from matplotlib.figure import Figure


def in_notebook() -> bool:
    """Return whether this process is a notebook or IPython."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return bool(get_ipython())


class LivePicture:
    """A picture that each call of `show` replaces."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def show(self, figure: "Figure") -> None:
        """Draw the figure as SVG."""
        from IPython.display import SVG, display

        from firstlight.tools.figures.canvas import as_bytes

        picture = SVG(as_bytes(figure, "svg").decode())
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
