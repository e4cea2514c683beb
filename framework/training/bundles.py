"""Bundles: several whole steps as one CUDA graph, where nobody looks in between.

To a tiny network the host's part of a step, some ten launches besides the graph of its pass, takes
longer than the GPU's. So where the samples live on the GPU, a bundle of `STEPS` steps is captured
with all that belongs to them: gathering a batch, its pass, the optimizer's kernel, and zeroing the
gradient. What differs from step to step is on the device: the places of the samples, the number of
the pass, and Adam's t. The results are those of single steps, but that Adam's factors are made by
the GPU's `pow`, whose last bit may differ from the host's.

Steps are single where somebody looks: those that are logged or validated, an epoch's last one, all
of a training with a callback that wants to be called at each (``every_step``). A bundle is not
broken off: a signal, or a limit of time, takes effect after it.
"""

import logging

import numpy as np

from firstlight.fast.blocked.scaling import SKIPPED
from firstlight.fast.cuda.cupy_ops import corrections
from firstlight.fast.cuda.fused_optimizer import fused_rule, launch_runs
from firstlight.optim.groups import plain
from firstlight.support import rng
from firstlight.support.backend import load_cupy
from firstlight.support.batches import placed
from firstlight.training.step import MOST, CapturedPasses, captured

log = logging.getLogger("firstlight")

STEPS = 8  # in a bundle
SMALL = 2_000_000  # parameters; a step of larger networks takes the GPU longer than the host
HOOKS = ("on_before_optimizer_step", "on_train_batch_end")


class Bundles:
    """Makes bundles of a training's steps.

    Parameters
    ----------
    trainer : Trainer
        Whose training is about to start or to go on.

    Attributes
    ----------
    graphs : dict
        The captured bundles by all that they hold fast.
    """

    def __init__(self, trainer):
        self.trainer, self.graphs = trainer, {}
        self.allowed, self._loader = _are_possible(trainer), trainer.train_loader

    def run(self):
        """Make as many bundles as there can be before the next step that must be single."""
        while self.allowed and self._is_time():
            key = self._key()
            if key not in self.graphs:
                self._capture(key)
                continue
            self.graphs[key].launch()

    def _is_time(self):
        """Whether nobody looks at any of the next steps."""
        trainer = self.trainer
        if trainer.train_loader is not self._loader or trainer.should_stop:
            return False
        if not trainer.passes.graphs or trainer.passes.reason is not None:
            return False
        if trainer.accumulation.batches(trainer.epoch) > 1:
            return False
        if trainer.batches_done + STEPS >= trainer.epoch_batches:
            return False
        steps = range(trainer.step + 1, trainer.step + STEPS + 1)
        looks = [trainer.log_every_n_steps]
        if trainer.val_loader is not None and trainer.val_unit == "steps":
            looks.append(trainer.val_every)
        if trainer.max_steps is not None and trainer.max_steps < steps.stop:
            return False
        return not any(step % every == 0 for step in steps for every in looks)

    def _key(self):
        optimizer = self.trainer.optimizer
        runs = tuple((start, stop, missed) for _, start, stop, missed in optimizer.trained_runs())
        groups = repr([plain(group) for group in optimizer.param_groups])
        return self.trainer.passes.facts(), self._loader.batch_size, runs, groups

    def _capture(self, key):
        bundle = Bundle(self.trainer)
        problem = bundle.capture() if len(self.graphs) < MOST else f"more than {MOST} kinds"
        if problem is None:
            self.graphs[key] = bundle
        else:
            self.allowed = False
            log.info("steps are no longer captured several at a time: %s", problem)


class Bundle:
    """One captured bundle, with the numbers on the device that it starts from."""

    def __init__(self, trainer):
        self.trainer, self.optimizer = trainer, trainer.optimizer
        self.t = self.optimizer.steps + 1  # as the graph has it; `counts` tells how many more
        like, size = self.optimizer.flat.data, trainer.train_loader.batch_size
        self.places = np.zeros_like(like, shape=(STEPS, size), dtype="int64")
        self.counts = np.zeros_like(like, shape=(3,), dtype="int32")
        self.graph = self.output = self.pool = None

    def capture(self):
        """Capture the steps; returns why that was not possible, or None."""
        corrections(self.optimizer.flat.data, self.counts, 1e-3, 0.9, 0.999, 1)  # compiles
        self.counts[SKIPPED] -= 1
        found = captured(self._steps, self.trainer.module)
        self.graph, self.output, self.pool, problem = found
        return problem

    def launch(self):
        """Make the steps."""
        trainer, optimizer = self.trainer, self.optimizer
        self.places[...] = trainer.train_loader.take_places(STEPS)
        self.counts[SKIPPED] = self.t - (optimizer.steps + 1)
        self.graph.launch(load_cupy().cuda.get_current_stream())
        rng.count_passes(STEPS)
        optimizer.steps += STEPS
        for index in optimizer._frozen:
            optimizer._missed[index] += STEPS
        for _ in range(STEPS):
            trainer.means.count(self.output, self.places.shape[1])
        trainer.step += STEPS
        trainer.batches_done += STEPS

    def _steps(self):
        trainer, optimizer = self.trainer, self.optimizer
        fused = fused_rule(optimizer, self.counts)
        for places in self.places:
            rng.begin_captured_pass()
            batch = trainer.train_loader._resident.batch(places)
            batch = placed(batch, trainer.device, trainer.dtype)
            output = trainer.passes.make(batch, alone=True)
            launch_runs(optimizer, fused, self.t)
            self.counts[SKIPPED] -= 1  # as if a step fewer had been left out: t is one more
            optimizer.zero_grad()
        return output


def _are_possible(trainer):
    """Return whether the training's steps may be bundled at all."""
    loader, optimizer = trainer.train_loader, trainer.optimizer
    return (
        isinstance(trainer.passes, CapturedPasses)
        and trainer.passes.reason is None
        and getattr(loader, "_resident", None) is not None
        and optimizer.loss_scale is None
        and fused_rule(optimizer) is not None
        and optimizer.flat.data.size <= SMALL
        and not any(
            getattr(impl.plugin.callback, "every_step", True)
            for hook in HOOKS
            for impl in trainer.hooks.impls(hook)
        )
    )
