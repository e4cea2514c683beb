"""DecisionBoundary and Distributions: what they draw of a training, and where it goes."""

import copy

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import DecisionBoundary, Distributions, TensorBoard
from firstlight.checkpoints.format import Checkpoint
from firstlight.models import MLP
from firstlight.testing import tiny_trainer


def data():
    x = np.random.default_rng(0).uniform(-1, 1, (48, 2)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    return fl.DataSplits((x, y), batch_size=16, classes=["left", "right"], name="plane")


def train(*callbacks, epochs=3, module=None, **settings):
    settings = {"default_callbacks": False, "max_epochs": epochs} | settings
    trainer = fl.Trainer(callbacks=list(callbacks), **settings)
    trainer.fit(module or MLP(2, 2, hidden=(8,), dropout=0.2), data())
    return trainer


def test_the_run_gets_a_picture_and_an_animation(tmp_path):
    from PIL import Image

    trainer = train(DecisionBoundary(resolution=11), runs_dir=tmp_path)
    plots = trainer.run.path / "plots"
    assert {p.name for p in plots.iterdir()} == {"decision_boundary.png", "decision_boundary.gif"}
    with Image.open(plots / "decision_boundary.gif") as gif:
        assert gif.n_frames == 3


def test_long_trainings_have_frames_at_even_distances(tmp_path):
    callback = DecisionBoundary(frames=2, resolution=3)
    train(callback, epochs=9, runs_dir=None)
    assert [epoch for epoch, _ in callback._grids] == [1, 5, 9]
    train(callback, epochs=11, runs_dir=None)
    assert [epoch for epoch, _ in callback._frames()] == [1, 9, 11]
    assert [len(y) for _, y in callback._samples] == [16, 16, 16]
    other = DecisionBoundary(every_n_epochs=4, resolution=3)
    train(other, epochs=9, runs_dir=None)
    assert [epoch for epoch, _ in other._grids] == [1, 5, 9]


def test_watching_changes_no_bit(tmp_path):
    net = MLP(2, 2, hidden=(8,), dropout=0.2)
    plain, watched = (
        train(*callbacks, module=copy.deepcopy(net), runs_dir=None, seed=0)
        for callbacks in ((), (DecisionBoundary(resolution=5), Distributions()))
    )
    for name, value in plain.module.state_dict().items():
        np.testing.assert_array_equal(value, watched.module.state_dict()[name])


@pytest.mark.slow
def test_tensorboard_shows_them(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    watching = DecisionBoundary(resolution=5), Distributions(), TensorBoard(graph=False)
    trainer = train(*watching, runs_dir=tmp_path)
    events = reader.EventAccumulator(str(trainer.run.path)).Reload()
    tags = {"decision_boundary", "distributions/weights", "distributions/outputs"}
    assert set(events.Tags()["images"]) == tags
    first, *_, last = events.Images("decision_boundary")  # live, and at the end
    assert (first.step, last.step) == (3, 9)


@pytest.mark.filterwarnings("ignore:Attempting to work in a virtualenv:UserWarning")
def test_a_notebook_shows_one_picture_that_is_drawn_anew():
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            train(DecisionBoundary(resolution=5), runs_dir=None)
    finally:
        InteractiveShell.clear_instance()
    first, *later = [output.update for output in captured.outputs]  # live, and at the end
    assert (first, set(later)) == (False, {True})
    assert "image/svg+xml" in captured.outputs[0].data


def test_other_inputs_are_refused():
    with pytest.warns(UserWarning, match=r"expected batches of inputs \(N, 2\) and class labels"):
        assert tiny_trainer([DecisionBoundary()]).status == "finished"


def test_a_diverged_training_is_drawn_up_to_then(tmp_path):
    class Diverging(fl.Callback):
        def on_train_epoch_end(self, trainer, module):
            if trainer.epoch == 2:
                module.parameters()[0].data[...] = np.nan

    callback = DecisionBoundary(resolution=5)
    with pytest.warns(UserWarning, match="train_loss is nan"):
        train(Diverging(), callback, runs_dir=tmp_path)
    assert [epoch for epoch, _ in callback._grids] == [1]


def test_distributions_are_the_quantiles_of_each_epoch(tmp_path):
    callback = Distributions()
    trainer = train(callback, runs_dir=tmp_path)
    state = callback.state_dict()
    assert state["epochs"] == {"weights": [0, 1, 2, 3], "outputs": [1, 2, 3]}
    name, weight = next(
        (n, p.data) for n, p in trainer.module.named_parameters() if p.data.ndim == 2
    )
    *_, last = state["quantiles"]["weights"][name]
    np.testing.assert_allclose(last[4], np.median(weight), rtol=1e-6)
    assert (last[0], last[-1]) == (weight.min(), weight.max())
    plots = {path.name for path in (trainer.run.path / "plots").iterdir()}
    assert plots == {"weights.png", "outputs.png"}


@pytest.mark.slow
def test_a_resumed_training_continues_the_distributions(tmp_path):
    callbacks = "model_checkpoint", Distributions()
    trainer = train(*callbacks, runs_dir=tmp_path, epochs=2)
    path = trainer.run.path / "checkpoints" / "last.safetensors"
    assert Checkpoint.load(path)
    again = Distributions()
    settings = {"default_callbacks": False, "runs_dir": tmp_path, "max_epochs": 4}
    trainer = fl.Trainer(callbacks=["model_checkpoint", again], **settings)
    trainer.fit(MLP(2, 2, hidden=(8,), dropout=0.2), data(), resume=path)
    assert again.state_dict()["epochs"]["weights"] == [0, 1, 2, 3, 4]
