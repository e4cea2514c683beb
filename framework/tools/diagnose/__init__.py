"""Diagnosis of hand-written networks: find mistakes, and show one training step in detail.

`firstlight check` goes from a measurement to a verdict:

1. A probe (`probes`) measures something of a script, a model or one module, and keeps it as an
   `Evidence`. Probes know no kinds of mistakes.
2. The kinds of mistakes (`kinds`, each with a wrong and a right example) are hypotheses: `kind.ask`
   asks those that are about evidence of a class, and each yields findings.
3. The findings make the verdict: of one module (`verdict`), of the whole check (`report`).

`script.trainings` collects the evidence of a script:

- `probes.script`: its `trace`. `instrument` lets loops, assignments and numbers report to a
  `recorder`, `module_hooks` what modules, optimizers and the Trainer do; both record `events` of a
  few steps. A `ledger` of the gradients is the evidence of a hand-written loop.
- `probes.steps`: its own gradients (`wrong_step`). A `replay` in float64 moves an array, and
  `step_check` compares the gradients with the change of the loss; `step_repair` searches the line.
- `probes.flow`: its samples (`sample_flow`). It runs on `traced_array`s, which know their samples,
  so that those of each step, evaluation and statistic are known.
- `probes.optimizers`: its own optimizers, run on known gradients.

`checking` examines each model that a script trains, each ``Trainer.fit`` and the batches of
`hand_written_loops`:

- `probes.model`: `samples`, the `first_step`, `loss_gradient`, health (`units`, `evaluation`,
  `gradient_flow`), a `short_training`.
- `probes.module`: the innermost wrong module (`backward`). The `gradients` of a float64 `rerun` are
  compared with differences of forward. For a wrong one `repair` tries `probes.edits` of the user's
  source, and `other_derivatives` the forwards that such a backward would belong to; `stand_ins`
  isolate a module from its parts.

Beside it: `explaining` prints one step call by call, `parity` compares the CPU with a GPU.
"""

from firstlight.tools.diagnose.checking import check
from firstlight.tools.diagnose.explaining import StepThrough, explain
from firstlight.tools.diagnose.kind import Finding
from firstlight.tools.diagnose.report import Report

__all__ = ["Finding", "Report", "StepThrough", "check", "explain"]
