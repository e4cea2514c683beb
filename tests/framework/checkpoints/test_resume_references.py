"""The files that a state names: verified on resume, written again, or said to be lost."""

import shutil
import warnings

import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.testing import TinyNet, tiny_data

BEST_EPOCH = 2
SCORES = [0.2, 0.9, 0.5, 0.7, 0.95, 0.1]


class Score(fl.Callback):
    role = fl.Role.WRITER

    def on_train_epoch_end(self, trainer):
        trainer.log({"f1": SCORES[trainer.epoch - 1]})


def fit(name="parts", resume=None, made=(), **settings):
    options = {name: settings.pop(name) for name in ("top_k",) if name in settings}
    used = [Score(), *made, ModelCheckpoint("f1", "max", **options)]
    settings = {"max_epochs": 4, "default_callbacks": False, "name": name} | settings
    trainer = fl.Trainer(callbacks=used, **settings)
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


def best_of(trainer):
    best = Checkpoint.load(trainer.run.checkpoints / "best.safetensors")
    return best.epoch, {name: array.tobytes() for name, array in best.model.items()}


def test_last_names_best_and_its_checksum():
    trainer = fit(top_k=2)
    last = Checkpoint.load(trainer.run.checkpoints / "last.safetensors")
    names = {
        "best.safetensors": 6,
        "epoch=002-step=000006.safetensors": 6,
        "epoch=004-step=000012.safetensors": 12,
    }
    assert last.files == {
        name: [step, Checkpoint.identity(trainer.run.checkpoints / name)[1]]
        for name, step in names.items()
    }


@pytest.mark.parametrize("damage", ["missing", "other", "truncated"])
def test_a_best_that_is_the_state_itself_is_written_again(damage):
    first = fit(max_epochs=BEST_EPOCH)
    epoch, weights = best_of(first)
    spoil(first.run.checkpoints / "best.safetensors", damage)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = fit(resume="last")
    assert best_of(resumed) == (epoch, weights)


def spoil(path, damage):
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        other = Checkpoint.load(path)
        other.model = {name: array + 1 for name, array in other.model.items()}
        other.save(path)


@pytest.mark.parametrize("damage", ["missing", "other", "truncated"])
def test_a_best_that_is_lost_is_said_and_the_next_value_counts(damage):
    first = fit(max_epochs=3)
    spoil(first.run.checkpoints / "best.safetensors", damage)
    with pytest.warns(
        UserWarning, match=r"best.safetensors' is missing or was changed \(best 0.9 in"
    ):
        resumed = fit(resume="last")
    assert best_of(resumed)[0] == 4


@pytest.mark.parametrize("damage", ["missing", "other", "truncated"])
def test_a_best_that_is_lost_is_copied_from_the_k_best(damage):
    first = fit(max_epochs=3, top_k=2)
    expected = best_of(first)
    spoil(first.run.checkpoints / "best.safetensors", damage)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = fit(resume="last", top_k=2)
    assert best_of(resumed) == expected


def test_an_older_best_counts_as_what_it_is(tmp_path):
    class Keep(fl.Callback):
        def on_train_epoch_start(self, trainer):
            trainer.checkpointing.writer.close()
            if trainer.epoch == 2:
                shutil.copy(trainer.run.checkpoints / "best.safetensors", tmp_path / "old")

    first = fit(max_epochs=3, made=[Keep()])
    shutil.copy(tmp_path / "old", first.run.checkpoints / "best.safetensors")
    with pytest.warns(UserWarning, match=r"\(best 0.9 in epoch 2\); the older state in it becomes"):
        resumed = fit(resume="last", max_epochs=3)
    checkpoint = resumed.callbacks[-1]
    assert (checkpoint.monitor.best, checkpoint.monitor.epoch) == (0.2, 1)
    assert best_of(resumed)[0] == 1
    assert best_of(fit(resume="last", max_epochs=4))[0] == 4


def test_one_of_the_k_best_that_is_lost_counts_no_longer():
    first = fit(max_epochs=3, top_k=2)
    (first.run.checkpoints / "epoch=002-step=000006.safetensors").unlink()
    with pytest.warns(UserWarning, match="step=000006.safetensors' is missing or was changed"):
        resumed = fit(resume="last", top_k=2)
    assert best_of(resumed)[0] == BEST_EPOCH
    names = sorted(path.name for path in resumed.run.checkpoints.glob("epoch*"))
    assert names == ["epoch=003-step=000009.safetensors", "epoch=004-step=000012.safetensors"]


def test_one_of_the_k_best_that_is_the_state_itself_is_written_again():
    first = fit(max_epochs=3, top_k=2)
    kept = first.run.checkpoints / "epoch=003-step=000009.safetensors"
    kept.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(resume="last", top_k=2, max_epochs=3)
    assert Checkpoint.load(kept).step == 9


def test_what_fell_out_before_a_kill_is_deleted():
    first = fit(max_epochs=3, top_k=2)
    fallen = first.run.checkpoints / "epoch=001-step=000003.safetensors"
    assert not fallen.exists()
    shutil.copy(first.run.checkpoints / "last.safetensors", fallen)
    others = first.run.checkpoints / "epoch=mine-step=1.safetensors"
    shutil.copy(first.run.checkpoints / "last.safetensors", others)
    fit(resume="last", top_k=2)
    assert others.exists()
    assert not fallen.exists()


@pytest.mark.parametrize("resume", ["best", "kept"])
def test_a_new_run_has_the_files_that_its_state_names(resume):
    first = fit(max_epochs=4, top_k=2)
    if resume == "kept":
        resume = first.run.checkpoints / "epoch=004-step=000012.safetensors"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = fit(resume=resume, max_epochs=4, top_k=2)
    assert second.run.path != first.run.path
    assert best_of(second) == best_of(first)
    assert (second.run.checkpoints / "last.safetensors").is_file()
    names = [sorted(p.name for p in t.run.checkpoints.iterdir()) for t in (first, second)]
    assert names[0] == names[1]


def test_the_best_of_an_end_within_an_epoch_stays_the_best_when_that_goes_on():
    first = fit(max_steps=14, max_epochs=6)  # cut short in epoch 5, which is the best
    expected = best_of(first)
    assert expected[0] == 5
    SCORES[4], before = 0.92, SCORES[4]  # whole, the epoch scores better than any but its part
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            longer = fit(resume="last", max_epochs=6)
    finally:
        SCORES[4] = before
    assert longer.callbacks[-1].monitor.best == 0.95
    assert best_of(longer) == expected


def test_a_best_of_a_continuation_that_is_not_repeated_is_said():
    longer = fit("longer", max_epochs=5).run.checkpoints / "best.safetensors"
    first = fit(max_epochs=3)
    shutil.copy(longer, first.run.checkpoints / "best.safetensors")  # as a kill would leave it
    with pytest.warns(UserWarning, match="holds step 15 of an interrupted continuation .*0.9 in"):
        fit(resume="last", max_epochs=4)
    shutil.copy(longer, first.run.checkpoints / "best.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert best_of(fit(resume="last", max_epochs=5))[0] == 5


def test_names_in_a_state_are_names_of_ours():
    state = ModelCheckpoint("f1").state_dict() | {"followed": "f1", "kept": [[0.5, "../../victim"]]}
    with pytest.raises(ValueError, match=r"names the file '../../victim', expected 'epoch=001"):
        ModelCheckpoint("f1").load_state_dict(state)
