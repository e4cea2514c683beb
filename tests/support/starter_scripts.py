"""The scripts of examples/starters as modules, and their trainings beside PyTorch twins."""

import importlib.util
import sys
from pathlib import Path

import firstlight as fl

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "examples" / "starters"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))


def starter(name):
    """Import examples/starters/NAME.py."""
    spec = importlib.util.spec_from_file_location(f"starter_{name}", SCRIPTS / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Twin(fl.Callback):
    """Make each step with a PyTorch twin, too: on the same batch, with the same learning rate.

    Parameters
    ----------
    twin : torch.nn.Module
    optimizer : torch.optim.Optimizer
        Of the twin's parameters.
    loss : callable
        ``loss(twin, batch)``, with a batch of torch tensors.
    """

    def __init__(self, twin, optimizer, loss):
        self.twin, self.optimizer, self.loss = twin, optimizer, loss

    def on_train_batch_end(self, trainer, batch):
        for group in self.optimizer.param_groups:
            group["lr"] = trainer.optimizer.lr
        self.optimizer.zero_grad()
        self.loss(self.twin, tensors(batch)).backward()
        self.optimizer.step()


def train_both(net, data, epochs, twin, optimizer, loss, callbacks=()):
    """Train a starter's model, and a twin from the same weights on the same batches.

    Parameters
    ----------
    net : Module
    data : DataSplits
    epochs : int
    twin : torch.nn.Module
        Its parameters have the names of the model's.
    optimizer, loss
        As of `Twin`.
    callbacks : list of Callback or str

    Returns
    -------
    Trainer
    """
    twin.load_state_dict(net.to_torch())
    callbacks = [*callbacks, Twin(twin.train(), optimizer, loss)]
    settings = {"default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=epochs, callbacks=callbacks, **settings)
    trainer.fit(net, data)
    twin.eval()
    return trainer


def tensors(batch):
    """Return a batch of arrays as one of torch tensors."""
    import torch

    if isinstance(batch, tuple):
        return tuple(map(tensors, batch))
    return torch.from_numpy(batch.copy())
