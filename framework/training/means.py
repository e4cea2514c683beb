"""Training means: over the steps since the last record, and over the epoch."""

from firstlight.training.checks import nothing_counts
from firstlight.training.metrics import MeanMetrics


class TrainingMeans:
    """Collects what training steps report, and hands out means for two kinds of record.

    Everything stays on the device until a mean is asked for. What ranks have of their shares of
    the batches stays with them until then, too.

    Parameters
    ----------
    communicator : Communicator
    """

    def __init__(self, communicator):
        self._communicator = communicator
        self._window, self._epoch = MeanMetrics(), MeanMetrics()
        self._own = self._window if communicator.size == 1 else MeanMetrics()

    def add(self, output, samples):
        """Take in a step's `StepOutput` for a number of samples; 0 leaves it out."""
        if samples:
            values = {"loss": output.loss, **output.metrics}
            self._own.add(values, samples, output.denominators)

    def share(self):
        """Add up what the ranks have; all of them must call it."""
        if self._own is not self._window:
            self._window.merge(self._own.over(self._communicator))
            self._own.reset()

    def add_values(self, output, samples):
        """Add what a step has on the device to the sums alone; `count` counts it."""
        values = {"loss": output.loss, **output.metrics}
        self._window.add_values(values, samples, output.denominators)

    def count(self, output, samples):
        """Count a step whose values were added."""
        self._window.count(("loss", *output.metrics), samples, output.denominators)

    def of_window(self):
        """Return ``{"train_loss_step": ...}``, the means since the last call, and start anew."""
        self.share()
        means = self._window.compute()
        self._close_window()
        return {f"train_{name}_step": value for name, value in means.items()}

    def of_epoch(self):
        """Return ``{"train_loss": ...}``, the means over the whole epoch, and start anew.

        Raises
        ------
        ValueError
            Nothing counts in the whole epoch.
        """
        self.share()
        self._close_window()
        if self._epoch.is_void("loss"):
            raise ValueError(nothing_counts("the training batches of this epoch"))
        means = self._epoch.compute()
        self._epoch.reset()
        return {f"train_{name}": value for name, value in means.items()}

    def so_far(self):
        """Return the means over the epoch so far, of this rank's share alone; changes nothing."""
        total = MeanMetrics()
        for part in dict.fromkeys((self._epoch, self._window, self._own)):
            total.merge(part)
        return total.compute()

    def state_dict(self):
        """Return all sums as a JSON-able dict."""
        return {"window": self._window.state_dict(), "epoch": self._epoch.state_dict()}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        self._window.load_state_dict(state["window"])
        self._epoch.load_state_dict(state["epoch"])

    def _close_window(self):
        self._epoch.merge(self._window)
        self._window.reset()
