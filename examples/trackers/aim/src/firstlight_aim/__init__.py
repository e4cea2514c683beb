"""Aim: show runs in Aim (``aim up``)."""

from firstlight import hookimpl
from firstlight.callbacks import Tracker

FIRSTLIGHT_API = 1


class Aim(Tracker):
    """Show runs in Aim, which keeps them in the folder ``.aim``."""

    def open(self, run, id):
        """Create the run, or open it again."""
        from aim import Run

        # firstlight records the output and the use of the machine
        self._run = Run(
            id,
            experiment=self.project,
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )
        self._run.name, self._run.description = self.title(run), run.note
        self._run["hparams"] = _nested(self.settings(run))  # queries say run.hparams.model.lr
        for tag in set(self.tags(run)).difference(self._run.tags):
            self._run.add_tag(tag)
        return self._run.hash

    def write(self, points):
        """Track each value."""
        for point in points:
            for name, value in point.values.items():
                self._run.track(value, name, point.step, point.values["epoch"])

    def close(self, status):
        """Set the status among the parameters of the run, and close it."""
        self._run["status"] = status
        self._run.close()


def _nested(settings):
    """Return dicts in dicts for dotted names; ``lr.decay`` stays one name beside a value ``lr``."""
    nested = {}
    for name, value in sorted(settings.items()):
        *groups, last = name.split(".")
        inner = nested
        try:
            for group in groups:
                inner = inner.setdefault(group, {})
            inner[last] = value
        except (AttributeError, TypeError):
            nested[name] = value
    return nested


@hookimpl
def register_callbacks(registry):
    """Offer the tracker."""
    registry.add("aim", Aim)
