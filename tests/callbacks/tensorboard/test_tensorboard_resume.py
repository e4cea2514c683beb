"""TensorBoard after a resume: every step once, without gap."""

import shutil

import pytest

import firstlight as fl

pytest.importorskip("tensorboard", reason="reads the events back with TensorBoard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class KeepSecond(fl.Callback):
    """Keeps the checkpoint of the second epoch, as if the process had been killed in the third."""

    def on_train_epoch_start(self, trainer):
        if trainer.epoch == 3:
            trainer.checkpointing.writer.close()  # it writes in the background
            folder = trainer.run.checkpoints
            shutil.copy(folder / "last.safetensors", folder.parent / "second.safetensors")


def test_curves_go_on_without_gap_or_double_step(line, line_data):
    def fit(epochs, *more, resume=None):
        used = ["tensorboard", "model_checkpoint", *more]
        trainer = fl.Trainer(max_epochs=epochs, callbacks=used, default_callbacks=False)
        trainer.fit(line(), line_data, line_data, resume=resume)
        return trainer.run

    run = fit(3, KeepSecond())
    shutil.move(run.path / "second.safetensors", run.checkpoints / "last.safetensors")
    assert fit(4, resume="last").path == run.path
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    events.Reload()
    for name in ("loss/val", "loss/train"):
        assert [event.step for event in events.Scalars(name)] == [3, 6, 9, 12]
