"""Plots: draw the curves of a training into its run folder."""

import json
import traceback
from pathlib import Path
from typing import Any

from firstlight.callback import Callback
from firstlight.callbacks._shared.run_figures import save_figure
from firstlight.runs import RunFolder
from firstlight.runs.history import History
from firstlight.support import background
from firstlight.support.arguments import parse_choice
from firstlight.trainer import Trainer

KINDS = ("png", "svg", "pdf")
EPOCHS = 2  # a curve needs two points
LATER = "import sys; from firstlight.callbacks import plots; plots.draw_later(*sys.argv[1:])"
FAILED = "curves_failed.txt"  # in place of the curves that another process could not draw


class Plots(Callback):
    """Draw loss, metrics, learning rate, gradient norm and time when the training ends.

    They go to ``plots/curves.png`` and ``plots/curves.svg`` in the run folder, also if the training
    was interrupted or failed. Nothing is drawn of a training of less than two epochs, or without
    a run. What a `LayerMonitor` measured more than once goes to ``plots/layers.png`` and
    ``plots/layers.svg``.

    Parameters
    ----------
    formats : tuple of {"png", "svg", "pdf"}

    Attributes
    ----------
    in_background : bool
        Draw in another process, which may end a few seconds after this one; False unless the
        command ``fit`` sets it. See `firstlight.support.background` for when it draws at once.

    Raises
    ------
    ValueError
        Another format.

    Examples
    --------
    >>> from firstlight.callbacks import Plots
    >>> plots = Plots(formats=("pdf",))
    """

    watcher = True

    def __init__(self, formats: tuple[str, ...] = ("png", "svg")) -> None:
        self.formats: tuple[str, ...] = tuple(
            parse_choice("Plots: formats", kind, KINDS) for kind in formats
        )
        self.in_background: bool = False

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the curves."""
        if trainer.run is None or not drawings(trainer.history):
            return
        history, shares = trainer.history, trainer.run.summary.get("time_shares")
        if self.in_background:
            facts = {
                "records": len(history.records),  # a test adds another one
                "modes": history.modes,
                "shares": shares,
                "title": trainer.run.name,
                "formats": self.formats,
            }
            place = str(trainer.run.path.absolute())
            if background.start(LATER, place, json.dumps(facts)):
                return
        draw(history, trainer.run, shares, trainer.run.name, self.formats)


def draw(history: History, run: Any, shares: Any, title: str, formats: tuple[str, ...]) -> None:
    """Draw the curves, and the courses of layers, into the folder of a run."""
    from firstlight.tools.figures import curves, layer_courses

    for name in drawings(history):
        if name == "curves":
            figure = curves(history, shares=shares, title=title)
        else:
            figure = layer_courses(history, title=title)
        for kind in formats:
            save_figure(figure, run, f"{name}.{kind}")


def drawings(history: History) -> list[str]:
    """Return the names of the pictures that can be drawn of a history."""
    epochs = sum("epoch_seconds" in record for record in history.records)
    layers = any(name.startswith("output_std/") for name in history)
    measured = layers and len(history.steps("grad_norm")) > 1
    return ["curves"] * (epochs >= EPOCHS) + ["layers"] * measured


def draw_later(place: str, facts: str) -> None:
    """Draw the curves of the run in a folder; if that fails, leave a file that says why."""
    known = json.loads(facts)
    try:
        run = RunFolder(place)
        history = History(run.history.records[: known["records"]])
        history.modes = known["modes"]
        draw(history, run, known["shares"], known["title"], known["formats"])
    except Exception:  # this process has no terminal to show it on
        failed = Path(place) / "plots" / FAILED
        failed.parent.mkdir(exist_ok=True)
        failed.write_text(traceback.format_exc(), "utf-8")
