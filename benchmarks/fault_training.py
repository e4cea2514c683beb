"""The trainings that `faults` breaks off: a network, settings drawn at random, and a process."""

import contextlib
import os
import random
import time
import traceback

import numpy as np

import firstlight as fl
from firstlight import callbacks, nn
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs.owner import RunInUse, RunTakenOver

DONE, INTERRUPTED, BROKEN_OFF, REFUSED, TAKEN_OVER, NOTHING_THERE = 0, 130, 131, 3, 4, 5  # exits
BATCHES, EPOCHS = 7, 6


class Net(fl.Module):
    """Batch statistics, dropout, and layers that have compiled forms."""

    def __init__(self):
        self.body = nn.Sequential(
            nn.Linear(6, 16),
            nn.LayerNorm(16),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.BatchNorm1d(16),
            nn.Linear(16, 3),
        )
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return fl.optim.AdamW(self.parameters(), lr=0.01)


class Beacon(fl.Callback):
    """Tells the parent of each event by a byte in a pipe."""

    def __init__(self, pipe):
        self._pipe = pipe
        save = Checkpoint.save

        def told(checkpoint, path):
            self.tell()
            found = save(checkpoint, path)
            self.tell()
            return found

        Checkpoint.save = told

    def tell(self):
        with contextlib.suppress(OSError):  # the parent no longer listens
            os.write(self._pipe, b".")

    def on_fit_start(self):
        self.tell()

    def on_train_batch_end(self):
        self.tell()

    def on_validation_batch_end(self):
        self.tell()

    def on_train_epoch_end(self):
        self.tell()

    @fl.hookimpl(trylast=True)
    def on_fit_end(self):
        self.tell()


def noisy(batch, rng):
    """Return a batch with noise, so that the order of all draws matters."""
    x, y = batch
    return x + rng.normal(0, 0.1, x.shape).astype("float32"), y


def make_data():
    """Return three classes: an epoch of seven batches, a validation of three."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8 * BATCHES + 24, 6)).astype("float32")
    y = (x[:, 0] > 0).astype("int64") + (x[:, 1] > 1)
    train, val = (x[: 8 * BATCHES], y[: 8 * BATCHES]), (x[8 * BATCHES :], y[8 * BATCHES :])
    splits = fl.DataSplits(train, val, name="faults", batch_size=8)
    splits.transform = noisy
    return splits


def draw_settings(rng):
    """Return the settings of a training, JSON-able."""
    return {
        "accumulate": rng.choice([1, 1, 2, 3]),
        "val_every": rng.choice([1, 1, 2, "3 steps"]),
        "stopping": rng.choice([None, "patience", "threshold"]),
        "ema": rng.random() < 0.5,
        "top_k": rng.choice([1, 2, 3, -1]),
        "every_n_steps": rng.choice([None, 1, 2, 5]),
        "max_steps": rng.choice(
            [None, None, 10, 11]
        ),  # within an epoch, however many batches a step
    }


def make_trainer(settings, folder, pipe):
    """Return the trainer of a training with these settings."""
    used = ["lr_schedule", callbacks.GradientClip(1.0), callbacks.Fingerprints(1)]
    if settings["ema"]:
        used.append(callbacks.EMA(0.9))
    if settings["stopping"] == "patience":
        used.append(callbacks.EarlyStopping("val_loss", patience=2, mode="max"))
    if settings["stopping"] == "threshold":
        used.append(callbacks.EarlyStopping(stopping_threshold=1.05, restore_best=True))
    kept = callbacks.ModelCheckpoint(
        every_n_steps=settings["every_n_steps"], top_k=settings["top_k"]
    )
    return fl.Trainer(
        max_epochs=EPOCHS,
        max_steps=settings["max_steps"],
        accumulate_grad_batches=settings["accumulate"],
        val_every=settings["val_every"],
        log_every_n_steps=2,
        callbacks=[*used, kept, Beacon(pipe)],
        default_callbacks=False,
        runs_dir=folder,
        name="faults",
        seed=0,
    )


def train(settings, folder, pipe, resume):
    """Train in this process; returns its exit code."""
    random.seed(0)  # its state is in a checkpoint, and NumPy's
    np.random.seed(0)  # noqa: NPY002
    trainer = make_trainer(settings, folder, pipe)
    try:
        trainer.fit(Net(), make_data(), resume=resume)
    except KeyboardInterrupt:
        return BROKEN_OFF
    except RunInUse:
        return REFUSED
    except RunTakenOver:
        return TAKEN_OVER
    except FileNotFoundError:
        return NOTHING_THERE
    return INTERRUPTED if trainer.interrupted else DONE


def make_one_step():
    """Load what is compiled, once for all processes forked from here; this starts no thread."""
    module, loader = Net(), make_data().loader("train")
    optimizer = module.configure_optimizer()
    module.backward(module.training_step(next(iter(loader))).dy)
    optimizer.step()


class Process:
    """A training in a process of its own, forked from this one, which trains nothing."""

    def __init__(self, settings, folder, resume="auto"):
        self.log = folder / f"log{time.monotonic_ns()}.txt"
        self.events, pipe = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            with self.log.open("w") as log:
                os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
                try:
                    code = train(settings, folder / "runs", pipe, resume)
                except KeyboardInterrupt:  # outside of the training
                    code = BROKEN_OFF
                except BaseException:
                    traceback.print_exc(file=log)
                log.flush()
                os._exit(code)
        os.close(pipe)

    def await_events(self, count):
        """Wait until so many events have come; return how many did before the process ended."""
        seen = 0
        while seen < count:
            got = os.read(self.events, count - seen)
            if not got:
                break
            seen += len(got)
        return seen

    def send(self, number):
        """Send a signal, unless the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self, *expected):
        """Wait for the end; return the exit code, or raise with the log if it is another one."""
        self.await_events(10**9)
        os.close(self.events)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if code not in expected:
            raise AssertionError(f"exit {code}, expected {expected}:\n{self.log.read_text()}")
        return code
