"""A stranger's run: names in its files are names, never paths or options of other programs."""

import json
from pathlib import Path

import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs import compare
from firstlight.runs.find import latest_run
from firstlight.support.files import inside
from firstlight.testing import TinyNet, tiny_data


@pytest.mark.parametrize("name", ["../../victim", "/victim", "last.safetensors", "", None, 3])
def test_a_checkpoint_deletes_no_files_but_states_that_were_kept(name):
    Path("victim").write_text("mine")
    kept = ModelCheckpoint(top_k=2)
    trainer = fl.Trainer(max_epochs=2, default_callbacks=False, callbacks=[kept], name="strange")
    trainer.fit(TinyNet(), tiny_data(), tiny_data())
    path = trainer.run.checkpoints / "last.safetensors"
    checkpoint = Checkpoint.load(path)
    checkpoint.callbacks["ModelCheckpoint.1"]["kept"] = [[-1.0, "x"], [1e9, name]]
    checkpoint.callbacks["ModelCheckpoint.1"]["kept"][0][1] = "epoch=001-step=000003.safetensors"
    checkpoint.save(path)
    again = fl.Trainer(
        max_epochs=4, default_callbacks=False, callbacks=[ModelCheckpoint(top_k=2)], name="strange"
    )
    with pytest.raises(ValueError, match="ModelCheckpoint: the checkpoint.s state names the file"):
        again.fit(TinyNet(), tiny_data(), tiny_data(), resume="last")
    assert Path("victim").read_text() == "mine"
    assert path.is_file()


@pytest.mark.parametrize("name", ["../../victim", "/victim", "..\\victim"])
def test_a_checkpoint_names_no_files_outside_its_folder(tmp_path, name):
    checkpoint = Checkpoint(model={}, files={name: [1, None]})
    checkpoint.save(tmp_path / "last.safetensors")
    with pytest.raises(ValueError, match="expected a name of something below"):
        Checkpoint.load(tmp_path / "last.safetensors")


def test_a_commit_is_no_option_of_git(make_run, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    one, other = make_run("a/1"), make_run("a/2")
    for run, commit in ((one, f"--output={victim}"), (other, "HEAD")):
        environment = {"git": {"commit": commit}}
        (run.path / "environment.json").write_text(json.dumps(environment))
    assert compare.code_changed(one, other) == []
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "\\x", "C:x", "a\0b", "", None, 3, []])
def test_what_leads_out_is_no_name(name):
    with pytest.raises(ValueError, match="expected a name of something below here"):
        inside("here", name)


def test_a_name_may_have_folders_and_dots():
    assert inside("here", "a/b..c/.d") == Path("here/a/b..c/.d")


@pytest.mark.parametrize("part", ["checkpoints", "plots", "plots/deep"])
def test_a_run_is_not_gone_on_with_through_links_to_other_folders(tmp_path, part):
    data = tiny_data(), tiny_data()
    settings = {"default_callbacks": False, "callbacks": [ModelCheckpoint(top_k=2)]}
    run = fl.Trainer(max_epochs=2, **settings).fit(TinyNet(), *data) and latest_run("runs")
    victim = tmp_path / "victim"
    victim.mkdir()
    if part == "checkpoints":
        (run / part).rename(run / "states")
        for file in (run / "states").iterdir():
            (victim / file.name).write_bytes(file.read_bytes())
    (run / part).parent.mkdir(exist_ok=True)
    (run / part).symlink_to(victim)
    before = {file.name: file.read_bytes() for file in victim.iterdir()}
    with pytest.raises(OSError, match=f"{part} is a link to .*victim; put the folder itself there"):
        fl.Trainer(max_epochs=4, **settings).fit(TinyNet(), *data, resume=run)
    assert {file.name: file.read_bytes() for file in victim.iterdir()} == before
