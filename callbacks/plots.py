"""Plots: draw the curves of a training into its run folder."""

from firstlight.callback import Callback
from firstlight.callbacks._shared.run_figures import save_figure
from firstlight.support.arguments import parse_choice
from firstlight.trainer import Trainer

KINDS = ("png", "svg", "pdf")
EPOCHS = 2  # a curve needs two points


class Plots(Callback):
    """Draw loss, metrics, learning rate, gradient norm and time when the training ends.

    They go to ``plots/curves.png`` and ``plots/curves.svg`` in the run folder, also if the training
    was interrupted or failed. Nothing is drawn of a training of less than two epochs, or without
    a run.

    Parameters
    ----------
    formats : tuple of {"png", "svg", "pdf"}

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

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the curves."""
        epochs = sum("epoch_seconds" in record for record in trainer.history.records)
        if trainer.run is None or epochs < EPOCHS:
            return
        from firstlight.tools.figures import curves

        shares = trainer.run.summary.get("time_shares")
        figure = curves(trainer.history, shares=shares, title=trainer.run.name)
        for kind in self.formats:
            save_figure(figure, trainer.run, f"curves.{kind}")
