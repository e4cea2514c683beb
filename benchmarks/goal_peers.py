"""The trainings that ``time_to_goal.py`` compares, each a process of its own.

    python goal_peers.py PEER WORK recipe|plain SEED FOLDER

Each trains until the goal is reached or its settings end, and prints its values of the metric.
"""

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
from goals import WORKS, load, our_net, torch_net


def firstlight(work, settings, seed, folder):
    """``Trainer`` with its default callbacks and a run folder."""
    sys.modules["torch"] = None  # as where it is not installed: tensorboardX imports it if it can
    import firstlight as fl
    from firstlight.callbacks import EarlyStopping, GradientClip, LRSchedule

    fl.seed_everything(seed)
    splits = load(work, settings)
    callbacks = [EarlyStopping(work.metric, patience=1000, stopping_threshold=work.goal)]
    kinds = {"lr_schedule": LRSchedule, "gradient_clip": GradientClip}
    callbacks += [kinds[name](**told) for name, told in settings.get("callbacks", {}).items()]
    trainer = fl.Trainer(
        val_every=work.val_every, callbacks=callbacks, seed=seed, **settings["trainer"]
    )
    held = splits.loader("val" if splits.test is None else "test")
    history = trainer.fit(our_net(work, settings["model"]), splits.loader("train"), held)
    return [record[work.metric] for record in history.records if work.metric in record]


class Twin:
    """PyTorch's network, data, optimizer and schedule of the same settings."""

    def __init__(self, work, settings, folder):
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.work, self.model = work, settings["model"]
        self.net, self.loss = torch_net(work, self.model)
        names = ("train_x", "train_y", "held_x", "held_y")
        arrays = [torch.from_numpy(np.load(Path(folder, f"{name}.npy"))) for name in names]
        self.train, self.held = arrays[:2], arrays[2:]
        self.batch = settings["data"]["batch_size"]
        epoch = math.ceil(len(self.train[0]) / self.batch)
        limits = settings["trainer"]
        self.steps = limits.get("max_steps") or limits["max_epochs"] * epoch
        self.every = epoch if work.val_every == 1 else int(work.val_every.split()[0])
        callbacks = settings.get("callbacks", {})
        self.schedule = callbacks.get("lr_schedule")
        self.max_norm = callbacks.get("gradient_clip", {}).get("max_norm")

    def optimizer(self, **fused):
        import torch

        lr = self.model.get("lr", 1e-3)
        if self.model["name"] != "gpt":
            return torch.optim.Adam(self.net.parameters(), lr=lr, **fused)
        decay = self.model.get("weight_decay", 0.1)
        matrices, vectors = [], []
        for p in self.net.parameters():
            (matrices if p.ndim > 1 else vectors).append(p)
        groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors}]
        return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), weight_decay=0.0, **fused)

    def factor(self, step):
        """Return the learning rate of a step, as a factor."""
        if self.schedule is None:
            return 1.0
        warmup = self.schedule["warmup_steps"]
        if step < warmup:
            return (step + 1) / (warmup + 1)
        end = self.schedule.get("eta_min", 0.0) / self.model["lr"]
        share = min(1.0, (step - warmup) / (self.steps - warmup))
        return end + (1 - end) * (1 + math.cos(math.pi * share)) / 2

    def measured(self, y, target):
        """Return the metric's sum over a batch and its count."""
        if self.work.metric == "val_acc":
            return (y.argmax(1) == target).sum().item(), len(target)
        return self.loss(y, target).item() * target.numel(), target.numel()


def torch(work, settings, seed, folder):
    """A hand-written loop over tensors, with shuffled indices and fused Adam."""
    import torch

    torch.manual_seed(seed)
    twin = Twin(work, settings, folder)
    net, optimizer = twin.net, twin.optimizer(fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, twin.factor)
    x, y = twin.train
    values, steps = [], 0
    while True:
        for batch in torch.randperm(len(x)).split(twin.batch):
            optimizer.zero_grad()
            twin.loss(net(x[batch]), y[batch]).backward()
            if twin.max_norm:
                torch.nn.utils.clip_grad_norm_(net.parameters(), twin.max_norm)
            optimizer.step()
            schedule.step()
            steps += 1
            if steps % twin.every and steps < twin.steps:
                continue
            net.eval()
            with torch.no_grad():
                pairs = zip(*(part.split(250) for part in twin.held), strict=True)
                sums, counts = zip(*(twin.measured(net(a), b) for a, b in pairs), strict=True)
            net.train()
            values.append(sum(sums) / sum(counts))
            if steps == twin.steps or work.reached(values[-1]):
                return values


def lightning(work, settings, seed, folder):
    """``lightning.Trainer`` as it is, with DataLoaders over TensorDatasets."""
    import lightning
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    lightning.seed_everything(seed)
    twin, values = Twin(work, settings, folder), []

    class Stop(lightning.Callback):
        def on_validation_epoch_end(self, trainer, module):
            if not trainer.sanity_checking:
                values.append(trainer.callback_metrics[work.metric].item())
                trainer.should_stop = work.reached(values[-1])

    class Net(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = twin.net

        def training_step(self, batch, index):
            loss = twin.loss(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, index):
            total, count = twin.measured(self.net(batch[0]), batch[1])
            self.log(work.metric, total / count, batch_size=count)

        def configure_optimizers(self):
            optimizer = twin.optimizer()
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, twin.factor)
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    train = DataLoader(TensorDataset(*twin.train), batch_size=twin.batch, shuffle=True)
    held = DataLoader(TensorDataset(*twin.held), batch_size=250)
    lightning.Trainer(
        max_steps=twin.steps, max_epochs=-1, accelerator="cpu", callbacks=[Stop()],
        val_check_interval=twin.every, check_val_every_n_epoch=None,
        gradient_clip_val=twin.max_norm,
    ).fit(Net(), train, held)  # fmt: skip
    return values


def main():
    peer, name, settings, seed, folder = sys.argv[1:]
    work = WORKS[name]
    train = {"firstlight": firstlight, "torch": torch, "lightning": lightning}[peer]
    values = train(work, work.settings(settings == "recipe"), int(seed), folder)
    print("\n" + json.dumps([float(value) for value in values]))


if __name__ == "__main__":
    main()
