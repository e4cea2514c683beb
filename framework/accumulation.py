"""Accumulation: one optimizer step from the gradients of several batches."""

from firstlight.batches import sample_count


class Accumulation:
    """Go backward batch by batch, and average the gradient over all samples of a window.

    With dy_b the gradient of batch b's mean loss and n_b its samples, the gradient of the mean
    loss over the whole window is::

        Σ_b n_b dW_b / Σ_b n_b

    so k batches of n samples equal one of k·n, also when the last one is smaller.

    Parameters
    ----------
    batches : int
        Batches in a window.
    """

    def __init__(self, batches):
        self.batches = batches
        self._samples = 0

    def ends(self, index, count):
        """Return whether a window ends with batch ``index`` (from 0) of an epoch of ``count``."""
        return index + 1 == count or (index + 1) % self.batches == 0

    def backward(self, module, optimizer, dy, batch, ends_window):
        """Undo a forward; at a window's end the parameters' ``grad`` is the average."""
        if self.batches == 1:
            module.backward(dy)
            return
        samples = sample_count(batch)
        module.backward(dy * samples)
        self._samples += samples
        if ends_window:
            optimizer.scale_grad(1 / self._samples)
            self._samples = 0
