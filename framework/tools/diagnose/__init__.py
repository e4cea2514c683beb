"""Diagnosis of hand-written networks: find mistakes, and show one training step in detail.

Probes collect `Evidence`; kinds of mistakes (`kinds`, one file each, with a wrong and a right
example) judge it. The engine knows no kind: `kind.ask` asks those about evidence of a class, and
their findings make the `Report`. `script.trainings` runs a script and returns what it trains:

1. Its `trace`: `instrument` lets loops, assignments and numbers report to a `recorder`,
   `module_hooks` what modules, optimizers and the Trainer do; both record `events` of a few steps.
   A `ledger` of the gradients is the evidence of a hand-written loop.
2. Its own gradients (`wrong_step`): a `replay` in float64 moves an array, and `step_check` compares
   the gradients with the change of the loss; `step_repair` searches the line.
3. Its samples (`sample_flow`): it runs on `traced_array`s, which know their samples, so that those
   of each step, evaluation and statistic are known.
4. Its models and data: each ``Trainer.fit``, and the batches of `hand_written_loops`.

`checking` examines each model: `samples`, the `first_step`, `loss_gradient`, health (`units`,
`evaluation`, `gradient_flow`), a `short_training`; and the innermost wrong module (`backward`).
A module's `verdict` compares the `gradients` of a float64 `rerun` with differences of forward. For
a wrong one `repair` tries `edits` of the user's source, and `other_derivatives` the forwards that
such a backward would belong to; `stand_ins` isolate a module from its parts.

Beside it: `explaining` prints one step call by call, `parity` compares the CPU with a GPU.
"""

from firstlight.tools.diagnose.checking import check
from firstlight.tools.diagnose.explaining import StepThrough, explain
from firstlight.tools.diagnose.kind import Finding
from firstlight.tools.diagnose.report import Report

__all__ = ["Finding", "Report", "StepThrough", "check", "explain"]
