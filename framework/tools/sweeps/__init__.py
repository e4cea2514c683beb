"""Sweeps: many trainings of one kind, each with other settings; a folder of ordinary runs.

::

    runs/<name>/
      sweep.json         the description: what is searched, and how
      optuna.journal     Optuna's study: settings, owner, run, metric per epoch, and result of each
                         trial; optuna-dashboard runs/<name>/optuna.journal shows it
      trials/            0001.1.log: output of trial 1; 0001.2.log: after it was interrupted
      <id>/ ...          the runs, like any others
      results.csv        a row for each trial
      best.yaml          settings of the best: firstlight fit --config best.yaml
      plots/             parallel coordinates, importance, slices, progress

============  ====================================================================================
`space`       the values that each setting may take
`spec`        the description of a sweep, from its YAML file or folder
`trials`      Optuna's study and the run of each trial; several processes take from it
`driver`      starts a process for each trial, a few at a time
`worker`      that process: trains one trial, reports to Optuna, resumes from a checkpoint
`results`     table, best trial, importance
============  ====================================================================================

Samplers, pruners, storage and importance are Optuna's (``pip install "firstlight[optuna]"``).
"""

from firstlight.tools.sweeps.results import best_trial, importance, results_table
from firstlight.tools.sweeps.spec import SweepSpec, load_spec
from firstlight.tools.sweeps.trials import Trials

__all__ = ["SweepSpec", "Trials", "best_trial", "importance", "load_spec", "results_table"]
