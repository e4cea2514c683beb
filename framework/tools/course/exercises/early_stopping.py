"""Exercise: a callback that stops a training, and restores its best weights."""

import math

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.exercises._scripted_training import (
    DrivenTrainer,
    ScriptedModel,
    driven,
)

START, LOG, END = (f"EarlyStopping.on_{hook}" for hook in ("fit_start", "log", "fit_end"))


def outputs(callback, losses, case):
    """Yield the epochs of a training, and the weights after it, which fall by 1 an epoch."""
    trainer, module = driven(callback, losses)
    yield Output(LOG, f"epochs {case}", trainer.epoch)
    yield Output(END, f"weights {case}", module.weight.data.copy())


def series(code, draw):
    """Try trainings with losses of several kinds."""
    patience = draw.size("patience", 2, 4)
    unit = float(draw.rng.uniform(1, 2))
    several = patience + 2
    kinds = {
        "(loss=5, 4, 3, 4, 5, 6, …)": [5, 4, 3, *range(4, 4 + several)],
        "(loss=5, 6, 4, 6, 7, …)": [5, *[6] * (patience - 1), 4, *range(6, 6 + several)],
        "(loss=5, 7, 6, 5.5, …)": [5, 7, *[6 - n / 2**several for n in range(several)]],
        "(loss=5, 5, 5, …)": [5] * several,
        "(loss=5, 4, 3, 2, …)": [5 - n / 2 for n in range(several)],
        "(loss=5, nan, nan, …)": [5, *[math.nan] * several],
        "(loss=nan, nan, …)": [math.nan] * several,
    }
    for case, losses in kinds.items():
        callback = code.EarlyStopping(patience=patience)
        yield from outputs(callback, [unit * loss for loss in losses], case)


def smallest_change(code, draw):
    """Try a loss that falls by less than min_delta."""
    patience = draw.size("patience", 2, 4)
    callback = code.EarlyStopping(patience=patience, min_delta=0.5)
    slow = [5 - n / 10 for n in range(patience + 3)]
    yield from outputs(callback, slow, "(min_delta=0.5, loss=5, 4.9, 4.8, …)")
    callback = code.EarlyStopping(patience=patience, min_delta=0.5)
    far = [5, 3, *[3.2 + n / 10 for n in range(patience + 3)]]
    yield from outputs(callback, far, "(min_delta=0.5, loss=5, 3, 3.2, 3.3, …)")


def monitored(code, draw):
    """Try another value."""
    callback = code.EarlyStopping("train_loss", patience=draw.size("patience", 2, 4))
    yield from outputs(callback, [1.0] * 6, "(monitor=train_loss)")


def used_twice(code, draw):
    """Try whether a second training with the same callback is like one with a new callback."""
    for losses in ([9, 8, 7, 8, 9, 9], [math.nan] * 4):
        callback = code.EarlyStopping(patience=2)
        driven(callback, [1, 2, 3, 4])
        results = [driven(one, losses) for one in (callback, code.EarlyStopping(patience=2))]
        epochs, weights = zip(*[(t.epoch, m.weight.data[0]) for t, m in results], strict=True)
        case = f"(loss={losses[0]}, …)"
        yield Output(
            START,
            f"a second fit stops like a first one {case}",
            epochs[0] == epochs[1],
        )
        yield Output(
            START,
            f"a second fit keeps the same weights as a first one {case}",
            weights[0] == weights[1],
        )


def trained(code, draw):
    """Try a training by the Trainer, and whether the callback keeps arrays of its own."""
    if draw.strided or draw.dtype == "float32":
        return  # one run is enough
    callback = code.EarlyStopping(patience=2)
    keeps = []

    class Watched(ScriptedModel):
        def backward(self, dy):
            super().backward(dy)
            keeps.append(any(_shared(one, self.weight) for one in vars(callback).values()))

    trainer, module = DrivenTrainer(callback, 6), Watched([3, 2, 4, 5, 6, 7])
    data = np.zeros((4, 1), "float32"), np.zeros(4, int)
    trainer.fit(module, data, data)
    yield Output(LOG, "np.shares_memory(kept weights, module's weights)", any(keeps))
    yield Output(LOG, "epochs (Trainer.fit)", trainer.epoch)
    yield Output(END, "weights (Trainer.fit)", module.weight.data.copy())


def _shared(kept, weight):
    """Return whether a callback's attribute is a parameter, or shares its memory."""
    if isinstance(kept, dict):
        return any(_shared(one, weight) for one in kept.values())
    if isinstance(kept, list | tuple):
        return any(_shared(one, weight) for one in kept)
    if isinstance(kept, np.ndarray):
        return np.shares_memory(kept, weight.data)
    return kept is weight


EXERCISE = Exercise(
    name="early_stopping",
    chapter=8,
    lessons={"firstlight.tools.course.lessons.early_stopping": ("EarlyStopping",)},
    blanks=(START, LOG, END),
    trials=(series, smallest_change, monitored, used_twice, trained),
)
