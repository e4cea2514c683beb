"""RingsBest: remembers in which epoch the validation loss was lowest."""

import firstlight as fl


class RingsBest(fl.Callback):
    """Remember the epoch with the lowest validation loss, and print it at the end.

    Attributes
    ----------
    epoch : int or None
    loss : float or None
    """

    role = fl.Role.READER  # it only looks

    def __init__(self):
        self.epoch = self.loss = None

    def on_validation_end(self, trainer, stage, metrics):
        """Compare with the best so far."""
        if stage == "val" and (self.loss is None or metrics["val_loss"] < self.loss):
            self.epoch, self.loss = trainer.epoch, metrics["val_loss"]

    def on_fit_end(self):
        """Print the result."""
        if self.epoch is not None:
            print(f"best epoch {self.epoch}: val_loss {self.loss:.4f}")

    def state_dict(self):
        return {"epoch": self.epoch, "loss": self.loss}

    def load_state_dict(self, state):
        self.epoch, self.loss = state["epoch"], state["loss"]
