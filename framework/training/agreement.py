"""Agreement: what ranks see differently (signals, clocks) is settled at a step's boundary.

A signal may reach one rank only, and no two clocks are alike; but either all ranks make the next
step or none. So each rank tells what it knows after every step, in one message of four numbers,
and all act on the largest of each.
"""

import time
from collections import Counter

import numpy as np

from firstlight.checkpoints.fingerprints import fingerprint
from firstlight.training.interrupt import SIGNALS, Interrupt


class SharedInterrupt(Interrupt):
    """Signals that count only once all ranks know of them.

    Attributes
    ----------
    heard : int
        Number of the signal that came to this rank; 0 for none.
    """

    def __init__(self):
        super().__init__()
        self.heard = 0

    def note(self, number):
        """Remember a signal, for the next agreement."""
        self.heard = int(number)

    @property
    def asked(self):
        """Whether a signal has come to this rank, agreed upon or not."""
        return self.heard > 0


def interrupt(communicator):
    """Return the `Interrupt` of a training on so many ranks."""
    return Interrupt() if communicator.size == 1 else SharedInterrupt()


def agree(trainer):
    """Let all ranks know, before the first step and after each, whether to stop, and the time.

    Before somebody saves a checkpoint the training means are summed up over all ranks; now and
    then the ranks are compared, see `check_alike`.
    """
    communicator = trainer.communicator
    if communicator.size == 1:
        return
    heard, stops = trainer.interrupt.heard, trainer.stop_reason is not None
    clock = time.perf_counter() - trainer.started
    told = np.array([heard, stops, bool(trainer.requested), clock], "float64")
    communicator.allreduce_(told, "max")
    signal, stops, saves, trainer.agreed_elapsed = (float(value) for value in told)
    if stops:
        _agree_on_reason(trainer)
    if signal:
        Interrupt.note(trainer.interrupt, next(one for one in SIGNALS if one == int(signal)))
    if saves or trainer.should_stop:
        trainer.means.share()
    if trainer.step % communicator.check_every == 0:
        check_alike(trainer)


def _agree_on_reason(trainer):
    reasons = trainer.communicator.gather(trainer.stop_reason)
    trainer.stop_reason = next(reason for reason in reasons if reason is not None)


def check_alike(trainer):
    """Compare the ranks' parameters and buffers, which must be the same bytes everywhere.

    Raises
    ------
    RuntimeError
        They are not; the message names the ranks that differ from most, and what differs.
    """
    prints = trainer.communicator.gather(fingerprint(trainer.module))
    keys = [tuple(one.values()) for one in prints]
    if len(set(keys)) == 1:
        return
    usual = Counter(keys).most_common(1)[0][0]  # of equally many, that of the lowest rank
    odd = [rank for rank, key in enumerate(keys) if key != usual]
    right = prints[keys.index(usual)]
    names = [name for name in right if prints[odd[0]].get(name) != right[name]]
    raise RuntimeError(
        f"rank {', '.join(map(str, odd))} of {len(keys)} has diverged: after step {trainer.step} "
        f"{len(names)} of {len(right)} parameters and buffers differ from the other ranks', first "
        f"{names[0]}; every rank must make the same change to the model: a callback or module that "
        "acts on one rank alone, or on that rank's own samples, is the likely cause"
    )
