"""Diagnosis of hand-written networks: what is wrong with one, and one step of it in detail.

The path through `check`, file by file:

1. `checking` runs the checks below in order and collects their lines and findings in the
   `Report` of `findings`.
2. `data_checks`: scales, balance of classes, contradicting labels, samples in two splits.
3. `training_step`: one step is recorded (`recorded_calls`); exceptions, losses that are not
   finite.
4. `outputs`: labels, initial loss and last layer against the loss, which `loss_view` shows as a
   function of the output. `target_leakage`: language models that see their targets.
5. `backward`: the search for the innermost wrong module. Each module gets a `verdict`: on a
   float64 `bench` its `gradients` are compared with differences of forward, its `contract` is
   tried, and `hypotheses` (`_rerun_hypotheses`, `shape_errors`) name the mistake. `_stand_ins`
   isolate a module from its parts.
6. `training_step` again: the dy that it returns, against differences of the loss.
7. `units`, `evaluation`, `gradient_flow`: dead units, evaluation mode, vanishing gradients, dtypes.
8. `torch_comparison`, on demand: the same layers of PyTorch (`_torch_modules`).
9. `overfit_one_batch`: a short training, which shows a wrong learning rate or optimizer.

Beside it: `explaining` prints one step call by call; `parity` compares a step on the CPU and on a
GPU; `script` finds the models and data that a user's script trains, also in `_hand_written_loops`.
`arrays`, `module_state` and `rich_text` are helpers of all.
"""

from firstlight.tools.diagnose.checking import check
from firstlight.tools.diagnose.explaining import StepThrough, explain
from firstlight.tools.diagnose.findings import Finding, Report

__all__ = ["Finding", "Report", "StepThrough", "check", "explain"]
