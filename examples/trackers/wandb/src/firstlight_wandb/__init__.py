"""Wandb: show runs in Weights & Biases."""

import os

from firstlight import hookimpl
from firstlight.callbacks import Tracker

FIRSTLIGHT_API = 1


class Wandb(Tracker):
    """Show runs in Weights & Biases; without a login they are kept offline.

    Offline runs are in the folder ``wandb``; ``wandb sync`` sends them later.
    """

    def open(self, run, id):
        """Create the run, or resume it."""
        import wandb

        known = "WANDB_MODE" in os.environ or wandb.login(prompt=False, verify=False)
        self._run = wandb.init(
            project=self.project,
            name=self.title(run),
            id=id,
            resume="allow" if id else None,
            config=self.settings(run),
            tags=self.tags(run),
            notes=run.note or None,
            mode=None if known else "offline",
            reinit="create_new",  # leaves another run of this process open
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True),
        )
        return self._run.id

    def write(self, points):
        """Log the values of each step."""
        for point in points:
            self._run.log({"_timestamp": point.time, **point.values}, step=point.step)

    def close(self, status):
        """Add the status to the summary, and finish the run with exit code 0 or 1."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=int(status != "finished"))


@hookimpl
def register_callbacks(registry):
    """Offer the tracker."""
    registry.add("wandb", Wandb)
