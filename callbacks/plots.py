"""Plots: the curves of a training as pictures in its run folder."""

from firstlight.callback import Callback
from firstlight.support.files import forgiving

KINDS = ("png", "svg", "pdf")
EPOCHS = 2  # a curve needs two points


class Plots(Callback):
    """Draw loss, metrics, learning rate, gradient norm and time when the training ends.

    They go to ``plots/curves.png`` and ``plots/curves.svg`` in the run folder, also when it was
    interrupted or failed. Nothing is drawn of a training of less than two epochs, or without a
    run folder.

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

    def __init__(self, formats: tuple[str, ...] = ("png", "svg")):
        for kind in formats:
            if kind not in KINDS:
                raise ValueError(f"Plots: expected formats of {', '.join(KINDS)}, got {kind!r}")
        self.formats = tuple(formats)

    def on_fit_end(self, trainer):
        """Draw."""
        epochs = sum("epoch_seconds" in record for record in trainer.history.records)
        if trainer.run is None or epochs < EPOCHS:
            return
        from firstlight.tools.figures import curves, save

        shares = trainer.run.summary.get("time_shares")
        figure = curves(trainer.history, shares=shares, title=trainer.run.name)
        for kind in self.formats:
            path = trainer.run.path / "plots" / f"curves.{kind}"
            with forgiving(path):
                path.parent.mkdir(exist_ok=True)
                save(figure, path)
