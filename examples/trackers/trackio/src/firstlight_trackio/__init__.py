"""Trackio: show runs in the dashboard of Trackio (``trackio show``)."""

from firstlight import hookimpl
from firstlight.callbacks import Tracker

FIRSTLIGHT_API = 1
LEVELS = {"finished": "info", "interrupted": "warn"}  # of the alert at the end; else "error"


class Trackio(Tracker):
    """Show runs in Trackio, which keeps them in files of this machine; no account is needed.

    ``TRACKIO_DIR`` is the folder of these files. ``TRACKIO_SPACE_ID`` and ``TRACKIO_SERVER_URL``
    send the runs to a Space or a server.
    """

    def open(self, run, id):
        """Create the run, or resume the one of the same name if Trackio has kept it."""
        import trackio

        self._run = trackio.init(
            project=self.project,
            name=self.title(run),
            config=self.settings(run) | {"tags": ",".join(self.tags(run)), "note": run.note},
            resume="allow" if id else "never",
            embed=False,
            auto_log_gpu=False,  # firstlight records the use of the machine
            auto_log_cpu=False,
        )
        return self._run.id

    def write(self, points):
        """Log the values of each step."""
        for point in points:
            self._run.log(point.values, step=point.step)

    def close(self, status):
        """Report the status as an alert, and finish the run."""
        from trackio import AlertLevel

        self._run.alert(f"run {status}", level=AlertLevel(LEVELS.get(status, "error")))
        self._run.finish()


@hookimpl
def register_callbacks(registry):
    """Offer the tracker."""
    registry.add("trackio", Trackio)
