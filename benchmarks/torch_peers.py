"""PyTorch's loops for `step.py`: eager, fused, compiled, channels-last, and Lightning's."""

import contextlib
import os
import shutil

from turns import BATCHES, Done, Feed


def reason_against(peer, work):
    """Return why a peer cannot take part in a work, or None."""
    if peer == "torch-compile" and not any(
        map(shutil.which, (os.environ.get("CXX", "g++"), "c++"))
    ):
        return "there is no C++ compiler"
    if peer == "torch-channels-last" and not work.IMAGES:
        return f"{work.__name__} has no convolutions"
    return None


def torch(work, batch, size, peer, folder, turns):
    net, loss_function, batches, optimizer = _parts(work, batch, size)
    if peer == "torch-channels-last":
        net, batches = channels_last(net, batches)
    optimizer = optimizer(net.parameters(), fused=peer != "torch" or None)

    def loss_of(x, y):
        return loss_function(net(x), y)

    if peer == "torch-compile":
        import torch

        loss_of = torch.compile(loss_of)

    def step(data):
        loss_of(*data).backward()
        optimizer.step()
        optimizer.zero_grad()

    turns.serve(step, batches)
    return _result(net, loss_function, batches)


def lightning(work, batch, size, peer, folder, turns):
    import lightning

    net, loss_function, batches, optimizer = _parts(work, batch, size)
    if work.IMAGES:
        net, batches = channels_last(net, batches)
    bare = peer == "lightning-barebones"  # which logs nothing

    class Step(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def training_step(self, data, index):
            x, y = data
            loss = loss_function(self.net(x), y)
            if not bare:
                self.log("train_loss", loss)
            return loss

        def configure_optimizers(self):
            return optimizer(self.parameters())

    settings = {"barebones": True} if bare else {"default_root_dir": folder}
    with contextlib.suppress(Done):
        turns.answer(ready=True)
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **settings)
        trainer.fit(Step(), Feed(batches, turns))
    return _result(net, loss_function, batches)


def channels_last(net, batches):
    """Return both with their images' channels on the last axis of memory."""
    import torch

    layout = {"memory_format": torch.channels_last}
    return net.to(**layout), [(x.contiguous(**layout), y) for x, y in batches]


def _parts(work, batch, size):
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net, loss_function = work.torch(batch, **size)
    batches = [work.to_torch(x, y) for x, y in work.batches(batch, BATCHES, **size)]
    name, settings = work.OPTIMIZER

    def optimizer(parameters, **more):
        return getattr(torch.optim, name)(parameters, **settings, **more)

    return net.train(), loss_function, batches, optimizer


def _result(net, loss_function, batches):
    x, y = batches[0]
    return sum(p.numel() for p in net.parameters()), loss_function(net.train()(x), y).item()
