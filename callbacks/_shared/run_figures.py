"""Save figures into the ``plots`` folder of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.runs.run import Run
from firstlight.support.files import forgiving

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: "Figure", run: Run, name: str) -> Path | None:
    """Return the path of the saved figure; None, with a warning, if it cannot be written."""
    from firstlight.tools.figures import save

    path = run.path / "plots" / name
    with forgiving(path):
        path.parent.mkdir(exist_ok=True)
        save(figure, path)
        return path
    return None
