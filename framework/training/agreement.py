"""Agreement of the ranks between steps on signals, clocks and requests.

A signal may reach one rank only, and clocks differ, but either all ranks make the next step or
none. After every step the ranks therefore exchange their state in one message.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firstlight.checkpoints.fingerprints import fingerprint

if TYPE_CHECKING:
    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module


class Agreement(NamedTuple):
    """Signals, requests and clock of one rank, or of all after an exchange.

    Attributes
    ----------
    signal : int
        Number of a signal that reached a rank; 0 for none.
    stop_reason : str or None
        The reason of the lowest rank that stops.
    saves, skips_epoch : bool
        Some rank requested a checkpoint; some rank skips the rest of the epoch.
    elapsed : float
        Seconds, by the slowest clock.
    """

    signal: int
    stop_reason: str | None
    saves: bool
    skips_epoch: bool
    elapsed: float


def agree(communicator: Communicator, mine: Agreement) -> Agreement:
    """Combine the ranks' states by all-reduce; every rank returns the same."""
    stops = mine.stop_reason is not None
    message = np.array([mine.signal, stops, mine.saves, mine.skips_epoch, mine.elapsed], "float64")
    communicator.allreduce_(message, "max")
    signal, stops, saves, skips_epoch, elapsed = message.tolist()
    reasons = communicator.gather(mine.stop_reason) if stops else [None]
    reason = next((one for one in reasons if one is not None), None)
    return Agreement(int(signal), reason, bool(saves), bool(skips_epoch), elapsed)


def check_alike(communicator: Communicator, module: Module, step: int) -> None:
    """Compare the ranks' parameters and buffers, which must be the same bytes everywhere.

    Raises
    ------
    RuntimeError
        They differ; the message names the ranks in the minority and the first difference.
    """
    prints = communicator.gather(fingerprint(module))
    keys = [tuple(one.values()) for one in prints]
    if len(set(keys)) == 1:
        return
    usual = Counter(keys).most_common(1)[0][0]  # in a tie, that of the lowest rank
    odd = [rank for rank, key in enumerate(keys) if key != usual]
    right = prints[keys.index(usual)]
    names = [name for name in right if prints[odd[0]].get(name) != right[name]]
    raise RuntimeError(
        f"rank {', '.join(map(str, odd))} of {len(keys)} has diverged: after step {step} "
        f"{len(names)} of {len(right)} parameters and buffers differ from the other ranks', first "
        f"{names[0]}; every rank must make the same change to the model: a callback or module that "
        "acts on one rank alone, or on that rank's own samples, is the likely cause"
    )
