"""Runs of scripts that draw several times, train a loaded model, or have a model that is lost."""

import os
import subprocess
import sys

import numpy as np
import pytest

import firstlight as fl
from firstlight.runs import RunFolder, list_runs
from firstlight.runs.find import latest_run

NET = """
import firstlight as fl
from firstlight import nn, optim


class Net(nn.Sequential):
    def __init__(self, width, file=None):
        super().__init__(nn.Linear(2, width), nn.Linear(width, 2))
        self.loss = nn.MSELoss()

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1)
"""
DRAWS = f"""{NET}
import numpy as np

np.random.seed(1)
rng = np.random.default_rng(3)
order = rng.permutation(8)
print(rng.__class__)
x = rng.normal(size=(8, 2)).astype("float32")
np.random.shuffle(x)
noise = np.random.normal(size=3)
y = x + np.random.normal(size=(8, 2)).astype("float32")
np.multiply(x, 2, out=x)
trainer = fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"])
trainer.fit(Net(3, MODEL), (x, y))
"""
FIRST = f"""{NET}
if __name__ == "__main__":
    import numpy as np

    x = np.ones((8, 2), "float32")
    fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"], name="first").fit(Net(3), (x, x))
"""
AGAIN = """
import numpy as np
import firstlight as fl

x = np.ones((8, 2), "float32")
model = fl.load("first")
fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"], name="second").fit(model, (x, x))
"""


WAYS = f"""{NET}
import functools
import numpy as np


def fit(name, *data, **named):
    trainer_for(name).fit(Net(3), *data, **named)


def trainer_for(name):
    callbacks = ["model_checkpoint"]
    return fl.Trainer(max_epochs=1, callbacks=callbacks, default_callbacks=False, name=name)


def samples(size):
    x = np.random.default_rng(0).normal(size=(size, 2)).astype("float32")
    return x, x


def split(k):
    x, y = samples(20)
    for val in np.array_split(np.arange(20), k):
        train = np.setdiff1d(np.arange(20), val)
        yield (x[train], y[train]), (x[val], y[val])


class Batches:
    def __len__(self):
        return 1

    def __iter__(self):
        return iter([samples(4)])


def main(size):
    def load():
        return samples(size)

    data = load()

    def run(name, width=3):
        trainer_for(name).fit(Net(width), data)

    run("inner-12")


loaders = fl.DataLoader(samples(20), 5), fl.DataLoader(samples(6), 5)
trainer = trainer_for("star-20-6")
trainer.fit(Net(3), *loaders)
given = Net(3), samples(9)
trainer_for("stars-9").fit(*given)
both = {{"data": samples(8), "val_data": samples(4)}}
trainer_for("dict-8-4").fit(Net(3), **both)
for fold, (train, val) in enumerate(split(3)):
    trainer_for(f"fold-{{len(train[0])}}-{{len(val[0])}}").fit(Net(3), train, val)
if __name__ == "__main__":
    main(size=12)
fit("passed_on", samples(7))
run = lambda name, data: trainer_for(name).fit(Net(3), data)
run("lambda", samples(7))
[trainer_for("comprehension").fit(Net(3), samples(n)) for n in (5,)]
for train, val in split(3):
    trainer_for("no_number").fit(Net(3), train, val)
    break
trainer_for("batches").fit(Net(3), Batches())
"""
REFUSED = {
    "passed_on": "makes data in fit, and of values a run keeps numbers",
    "lambda": "makes data in <lambda>, and of values a run keeps numbers and texts alone; make",
    "comprehension": "makes n in <listcomp>|makes n, and of values",
    "no_number": "makes train, and of values",
    "batches": "batches from a Batches, of which a run knows no samples; train on arrays",
}


@pytest.fixture
def execute(tmp_path):
    def run(name, text):
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(content)
        words = [sys.executable, "-W", "error", name]
        environment = os.environ | {"FIRSTLIGHT_TEST_DEVICE": "", "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return RunFolder(latest_run(tmp_path / "runs"))

    return run


def test_data_are_made_with_all_draws_of_a_generator(execute):
    run = execute("train.py", DRAWS.replace("MODEL", "None"))
    data = fl.load_data(run.path)
    assert len(data.train) == 8
    rng = np.random.default_rng(3)
    rng.permutation(8)
    expected = 2 * rng.normal(size=(8, 2)).astype("float32")
    found = data.train[np.arange(8)][0]
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(expected, axis=0))


def test_data_are_loaded_though_the_model_was_not_kept(execute):
    run = execute("train.py", DRAWS.replace("MODEL", "open('train.py')"))
    with pytest.raises(ValueError, match=r"model\.file was"):
        fl.load(run.path)
    assert len(fl.load_data(run.path).train) == 8


SEEDS = f"""{NET}
import numpy as np

x = np.ones((8, 2), "float32")


def train(seed):
    fl.seed_everything(seed)
    t = fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"])
    t.fit(Net(3), (x, x))


for seed in (1, 2):
    fl.seed_everything(seed)
    train(seed)
if x.any():
    fl.seed_everything(3)
    train(3)
"""


def test_loading_a_run_of_several_seeds_trains_none_again(execute, tmp_path):
    execute("train.py", SEEDS)
    runs = list_runs(tmp_path / "runs")
    assert len(runs) == 3
    for run in runs:
        assert fl.load(run.path, runs_dir=tmp_path / "runs") is not None
        assert len(fl.load_data(run.path).train) == 8
    assert len(list_runs(tmp_path / "runs")) == 3


@pytest.mark.slow
def test_unusual_ways_to_pass_data(execute, tmp_path):
    execute("train.py", WAYS)
    (tmp_path / "train.py").unlink()
    runs = list_runs(tmp_path / "runs")
    assert [run.name for run in runs] == [
        *("star-20-6", "stars-9", "dict-8-4", "fold-13-7", "fold-13-7", "fold-14-6", "inner-12"),
        *("passed_on", "lambda", "comprehension", "no_number", "batches"),
    ]
    for run in runs:
        assert fl.load(run.path) is not None
        if run.name in REFUSED:
            with pytest.raises(ValueError, match=f"({REFUSED[run.name]}).*"):
                fl.load_data(run.path)
        else:
            parts = fl.load_data(run.path).parts
            sizes = "-".join(str(len(part)) for part in parts.values())
            assert sizes == run.name.partition("-")[2]


def test_a_script_that_was_edited_while_it_ran_is_named(execute, tmp_path):
    (tmp_path / "helper.py").write_text(NET)
    text = FIRST.replace("    import numpy", "    MORE\n    import numpy")
    edit = "from pathlib import Path; file = Path(__file__); "
    edit += "file.write_text(file.read_text() + 'y = 1')"
    warn = f"import warnings; warnings.simplefilter('ignore'); {edit}"
    run = execute("edited.py", text.replace("MORE", warn))
    with pytest.raises(ValueError, match="__main__:Net was not kept: its file was changed after"):
        fl.load(run.path)
    with pytest.raises(ValueError, match="could keep: its file was changed after"):
        fl.load_data(run.path)
    run = execute("same.py", text.replace("MORE", edit.replace(" + 'y = 1'", "")))
    assert len(fl.load_data(run.path).train) == 8, "saved, but not changed"


def test_a_module_that_was_edited_after_its_import_is_named(execute, tmp_path):
    (tmp_path / "pkg.py").write_text(NET)
    text = FIRST.replace(NET, "import firstlight as fl\nfrom pkg import Net\n")
    edit = "import pkg; file = open(pkg.__file__, 'a'); file.write('y = 1'); file.close()"
    warn = f"import warnings; warnings.simplefilter('ignore'); {edit}"
    run = execute("edited.py", text.replace("    import numpy", f"    {warn}\n    import numpy"))
    with pytest.raises(ValueError, match="pkg:Net was not kept: its file was changed after"):
        fl.load(run.path)
    assert len(fl.load_data(run.path).train) == 8


ENCODED = {
    "utf-8-sig": "# Maße",
    "latin-1": "# -*- coding: latin-1 -*-\n# Maße",
    "cp1252": "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n# Maße",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_scripts_of_other_encodings_are_kept(execute, tmp_path, encoding):
    text = f"{ENCODED[encoding]}\n{DRAWS.replace('MODEL', repr('ß'))}"
    run = execute("train.py", text.encode(encoding))
    (tmp_path / "train.py").unlink()
    assert run.config["model"]["file"] == "ß"
    assert len(fl.load(run.path).layers) == 2
    assert len(fl.load_data(run.path).train) == 8
    copy = (run.path / "source" / "train.py").read_text(encoding="utf-8")
    assert "Maße" in copy
    compile(copy.encode(), "train.py", "exec")


@pytest.mark.slow
def test_a_model_of_another_runs_source_is_named(execute):
    execute("first.py", FIRST)
    run = execute("again.py", AGAIN)
    assert run.name == "second"
    with pytest.raises(ValueError, match="from the source of another run; load the model of that"):
        fl.load(run.path)
    assert len(fl.load_data(run.path).train) == 8


@pytest.mark.slow
def test_a_model_of_another_runs_module_is_named(execute, tmp_path):
    (tmp_path / "pkg.py").write_text(NET)
    execute("first.py", FIRST.replace(NET, "import firstlight as fl\nfrom pkg import Net\n"))
    run = execute("again.py", AGAIN)
    (tmp_path / "pkg.py").unlink()
    with pytest.raises(ValueError, match="pkg:Net was not kept: the training took it from"):
        fl.load(run.path)
    (tmp_path / "pkg.py").write_text(NET)
    run = execute("imports.py", "import pkg\n" + AGAIN)
    (tmp_path / "pkg.py").unlink()
    assert fl.load(run.path) is not None
