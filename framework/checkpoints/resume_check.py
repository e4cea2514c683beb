"""Prove that a training of one's own resumes exactly: `check_resume`."""

import tempfile

from firstlight.callback import Callback
from firstlight.checkpoints.fingerprints import fingerprint, first_difference
from firstlight.support import rng
from firstlight.trainer import Trainer


class _Watch(Callback):
    """Notes the fingerprint after every step."""

    def __init__(self):
        self.steps = {}

    def on_train_batch_end(self, trainer, module):
        self.steps[trainer.step] = fingerprint(module)


class _SaveAtTheEnd(Callback):
    """Keeps the state after the last step, when all other callbacks are through with it."""

    def on_train_batch_end(self, trainer):
        if trainer.should_stop:
            trainer.request_checkpoint(trainer.run.checkpoints / "last.safetensors")


def check_resume(make_module, data, *, make_callbacks=list, steps=4):
    """Check that breaking a training off and resuming it changes nothing.

    Trains ``2 * steps`` steps without a break, and ``steps`` steps, a resume with another seed,
    and the rest; then compares the parameters after each step.

    Parameters
    ----------
    make_module : callable
        Returns a new module.
    data
        As for `Trainer.fit`.
    make_callbacks : callable
        Returns new callbacks; none by default.
    steps : int
        Where to break off; try one in the middle of an epoch and one at its end.

    Raises
    ------
    AssertionError
        Naming the first step and the parameters that differ: something that influences them is
        not in the checkpoint, such as a random generator in a callback without ``state_dict``.

    Examples
    --------
    >>> from firstlight.testing import TinyNet, check_resume, tiny_data
    >>> check_resume(TinyNet, tiny_data())
    """
    with tempfile.TemporaryDirectory() as folder:

        def run(name, until, seed, resume=None):
            seen = _Watch()
            rng.seed_everything(seed)
            trainer = Trainer(
                max_steps=until,
                callbacks=[*make_callbacks(), seen, _SaveAtTheEnd()],
                default_callbacks=False,
                runs_dir=folder,
                name=name,
            )
            trainer.fit(make_module(), data, resume=resume)
            return seen.steps

        whole = run("whole", 2 * steps, seed=0)
        run("parts", steps, seed=0)
        rest = run("parts", 2 * steps, seed=1, resume="last")
    missing = {step: {} for step in range(steps + 1, 2 * steps + 1)}
    found = first_difference(missing | whole, missing | rest)
    if found:
        step, names = found
        raise AssertionError(
            f"resumed after step {steps}, the training differs first at step {step}, in "
            f"{', '.join(names)}; put what influences it into parameters, buffers, "
            "firstlight.support.rng, or a callback's state_dict"
        )
