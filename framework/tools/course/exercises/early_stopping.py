"""Exercise: a callback that stops a training, and restores its best weights."""

import math

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output, mistake
from firstlight.tools.course.exercises._scripted_training import ScriptedModel, driven, trainer_of

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

    trainer, module = trainer_of(callback, 6), Watched([3, 2, 4, 5, 6, 7])
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


IMPROVES = "if value < self.best - self.min_delta:"
ENOUGH = "if self.waited >= self.patience:"
KEEP = "self.best_weights = trainer.module.state_dict()  # a copy"
RESTORE = "trainer.module.load_state_dict(self.best_weights)"
EXERCISE = Exercise(
    name="early_stopping",
    chapter=8,
    title=(
        "EarlyStopping: a callback that ends a training at the right time.",
        "EarlyStopping: ein Callback, der ein Training rechtzeitig beendet.",
    ),
    task=(
        "Fill in the three hooks. on_fit_start sets best, waited and best_weights to their first "
        "values. The trainer calls on_log with each record it logs, a dict of names and values; "
        "only some have the monitored value. If it improves, keep it, with a copy of the weights "
        "(trainer.module.state_dict() returns copies); else count, and call trainer.stop(reason) "
        "when the patience is used up. on_fit_end restores the best weights with "
        "trainer.module.load_state_dict(weights).",
        "Füllen Sie die drei Hooks aus. on_fit_start setzt best, waited und best_weights auf ihre "
        "Anfangswerte. Der Trainer ruft on_log mit jedem Eintrag auf, den er protokolliert, einem "
        "dict aus Namen und Werten; nur manche haben den beobachteten Wert. Verbessert er sich, "
        "merken Sie ihn sich, mit einer Kopie der Gewichte (trainer.module.state_dict() gibt "
        "Kopien zurück); sonst zählen Sie, und rufen Sie trainer.stop(reason) auf, wenn die Geduld "
        "(patience) aufgebraucht ist. on_fit_end stellt die besten Gewichte mit "
        "trainer.module.load_state_dict(weights) wieder her.",
    ),
    lessons={"firstlight.tools.course.lessons.early_stopping": ("EarlyStopping",)},
    blanks=(START, LOG, END),
    trials=(series, smallest_change, monitored, used_twice, trained),
    mistakes=(
        mistake(
            "self.best, self.waited, self.best_weights = math.inf, 0, None",
            "if not hasattr(self, 'best'):\n"
            "            self.best, self.waited, self.best_weights = math.inf, 0, None",
            (
                "a second training goes on with the values of the first",
                "ein zweites Training setzt mit den Werten des ersten fort",
            ),
            (
                "set best, waited and best_weights at every start",
                "setzen Sie best, waited und best_weights bei jedem Start",
            ),
        ),
        mistake(
            "self.best, self.waited, self.best_weights = math.inf, 0, None",
            "self.best = getattr(self, 'best', math.inf)\n"
            "        self.best_weights = getattr(self, 'best_weights', None)\n"
            "        self.waited = 0",
            (
                "best is still that of the first training in a second one",
                "best ist im zweiten Training noch das des ersten",
            ),
            (
                "set best and best_weights at every start",
                "setzen Sie best und best_weights bei jedem Start",
            ),
        ),
        mistake(
            "self.best, self.waited, self.best_weights = math.inf, 0, None",
            "self.best, self.waited = math.inf, 0\n"
            "        self.best_weights = getattr(self, 'best_weights', None)",
            (
                "the best weights of the first training are still there in a second one",
                "die besten Gewichte des ersten Trainings sind im zweiten noch da",
            ),
            ("set best_weights to None as well", "setzen Sie auch best_weights auf None"),
        ),
        mistake(
            "self.best, self.waited, self.best_weights = math.inf, 0, None",
            "self.best, self.waited, self.best_weights = 0, 0, None",
            (
                "best begins at 0, so no loss ever improves",
                "best beginnt bei 0, also verbessert sich kein Verlust",
            ),
            ("begin with infinity: math.inf", "beginnen Sie mit unendlich: math.inf"),
        ),
        mistake(
            "if self.monitor not in record:\n            return\n",
            "if False:\n            return\n",
            (
                "records without the monitored value raise a KeyError",
                "Einträge ohne den beobachteten Wert lösen einen KeyError aus",
            ),
            (
                "return if self.monitor is not in record",
                "beenden Sie on_log mit return, wenn self.monitor nicht in record steht",
            ),
        ),
        mistake(
            "if self.monitor not in record:\n            return\n"
            "        value = record[self.monitor]",
            "value = record.get(self.monitor, math.inf)",
            (
                "records without the monitored value count as a validation",
                "Einträge ohne den beobachteten Wert zählen als Validierung",
            ),
            (
                "return if self.monitor is not in record",
                "beenden Sie on_log mit return, wenn self.monitor nicht in record steht",
            ),
        ),
        mistake(
            IMPROVES,
            "if value > self.best - self.min_delta or self.best == math.inf:",
            (
                "a larger value counts as an improvement",
                "ein größerer Wert zählt als Verbesserung",
            ),
            ("the value should decrease: use <", "der Wert soll fallen: Nehmen Sie <"),
        ),
        mistake(
            IMPROVES,
            "if value <= self.best - self.min_delta:",
            (
                "an equal value counts as an improvement",
                "ein gleicher Wert zählt als Verbesserung",
            ),
            ("use < instead of <=", "nehmen Sie < statt <="),
        ),
        mistake(
            IMPROVES,
            "if not value >= self.best - self.min_delta:",
            (
                "NaN counts as an improvement",
                "NaN zählt als Verbesserung",
            ),
            (
                "compare with value < best, which is false for NaN",
                "vergleichen Sie mit value < best, das für NaN False ergibt",
            ),
        ),
        mistake(
            IMPROVES,
            "if value < self.best:",
            ("min_delta is not used", "min_delta wird nicht benutzt"),
            (
                "a value improves if it is below best - min_delta",
                "ein Wert verbessert sich, wenn er unter best - min_delta liegt",
            ),
        ),
        mistake(
            IMPROVES,
            "if value < self.best + self.min_delta:",
            (
                "min_delta is added to best, so that a slightly worse value improves",
                "min_delta wird zu best addiert: Ein etwas schlechterer Wert verbessert sich",
            ),
            ("subtract it: best - min_delta", "ziehen Sie es ab: best - min_delta"),
        ),
        mistake(
            "self.best, self.waited = value, 0",
            "self.best = value",
            (
                "waited is not set back after an improvement",
                "waited wird nach einer Verbesserung nicht zurückgesetzt",
            ),
            (
                "the patience counts validations in a row: set waited to 0",
                "die Geduld zählt Validierungen in Folge: Setzen Sie waited auf 0",
            ),
        ),
        mistake(
            "self.best, self.waited = value, 0",
            "self.waited = 0",
            (
                "best is never updated",
                "best wird nie aktualisiert",
            ),
            ("set best to the new value", "setzen Sie best auf den neuen Wert"),
        ),
        mistake(
            "else:\n            self.waited += 1",
            "else:\n            self.best = value\n            self.waited += 1",
            (
                "the value is compared with the previous one instead of the best",
                "der Wert wird mit dem vorigen statt mit dem besten verglichen",
            ),
            (
                "change best only when the value improves",
                "ändern Sie best nur, wenn der Wert sich verbessert",
            ),
        ),
        mistake(
            ENOUGH,
            "if self.waited > self.patience:",
            (
                "the training stops one validation late",
                "das Training endet eine Validierung zu spät",
            ),
            (
                "stop when waited has reached patience: >=",
                "beenden Sie es, sobald waited den Wert patience erreicht: >=",
            ),
        ),
        mistake(
            ENOUGH,
            "if self.waited >= self.patience - 1:",
            (
                "the training stops one validation early",
                "das Training endet eine Validierung zu früh",
            ),
            (
                "stop when waited has reached patience",
                "beenden Sie es erst, wenn waited den Wert patience erreicht",
            ),
        ),
        mistake(
            ENOUGH,
            "if False:",
            (
                "the training is never stopped",
                "das Training wird nie beendet",
            ),
            (
                "call trainer.stop(reason) when waited has reached patience",
                "rufen Sie trainer.stop(reason) auf, sobald waited den Wert patience erreicht",
            ),
        ),
        mistake(
            RESTORE,
            "pass",
            (
                "the best weights are not restored",
                "die besten Gewichte werden nicht wiederhergestellt",
            ),
            (
                "call trainer.module.load_state_dict(self.best_weights)",
                "rufen Sie trainer.module.load_state_dict(self.best_weights) auf",
            ),
        ),
        mistake(
            KEEP,
            "self.best_weights = {n: p.data for n, p in trainer.module.named_parameters()}",
            (
                "the best weights are references, which the training goes on changing",
                "die besten Gewichte sind Referenzen, die das Training weiter ändert",
            ),
            (
                "copy them: trainer.module.state_dict(), or data.copy()",
                "kopieren Sie sie: trainer.module.state_dict() oder data.copy()",
            ),
        ),
        mistake(
            "if self.best_weights is not None:\n            trainer",
            "if True:\n            trainer",
            (
                "without any improvement, there are no best weights to load",
                "ohne eine Verbesserung gibt es keine besten Gewichte zu laden",
            ),
            (
                "load them only if best_weights is not None",
                "laden Sie sie nur, wenn best_weights nicht None ist",
            ),
        ),
    ),
)
