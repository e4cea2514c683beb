"""Sweeps: many trainings of one kind, each with other settings; a folder of ordinary runs.

::

    runs/<name>/
      sweep.json         what is searched, and how
      trials/            0001.1.json: who has taken trial 1, with which settings, in which run;
                         0001.2.json if it was broken off and taken up again; 0001.1.log: its output
      <id>/ ...          the runs, as any others
      optuna.journal     of method tpe: what Optuna knows
      results.csv        a row for each trial
      best.yaml          settings of the best: firstlight fit --config best.yaml
      plots/             parallel coordinates, importance, slices, progress

Any number of processes, on any machines that share the folder, may work on one sweep: each trial
is taken by making a file that only one of them can make. What was broken off is gone on with.
"""

from firstlight.tools.sweeps.results import best_trial, importance, results_table
from firstlight.tools.sweeps.spec import SweepSpec, load_spec
from firstlight.tools.sweeps.trials import Trials

__all__ = ["SweepSpec", "Trials", "best_trial", "importance", "load_spec", "results_table"]
