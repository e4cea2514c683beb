"""Each starter is complete, makes a step, passes the check, and resumes to the same bytes."""

import functools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from starter_scripts import NAMES, ROOT, SCRIPTS, starter

import firstlight as fl
from firstlight.tools.cli.main import main
from firstlight.tools.starters import copy_starter

DOCS = ROOT / "docs"
FIGURE = re.compile(r"^test [\w ]+ (-?[\d.]+)( |$)", re.M)  # the line that a starter prints
SECTIONS = [
    "Idea",
    "Literature",
    "The mathematics of its backward",
    "First experiment",
    "Questions",
    "What a good result is",
]
SMALL = {"limit_train_batches": 2, "limit_val_batches": 1, "limit_test_batches": 1}
QUICK = {  # options of the first steps: small networks
    "adversarial": ["--channels", "2"],
    "char_gpt": ["--width", "16", "--letters", "10"],
    "cnn_architectures": ["--width", "2", "--deep", "8"],
    "diffusion": ["--width", "16"],
    "gan": ["--width", "16"],
    "seq2seq": ["--width", "8"],
    "strategies": ["--width", "4"],
    "unet": ["--width", "2"],
    "vit": ["--width", "16"],
}
KILLED = """
import functools, os, signal, sys
import firstlight as fl
from starter_scripts import starter

class Kill(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 3:  # in the second epoch
            os.kill(os.getpid(), signal.SIGKILL)

def trainer(*, callbacks=(), **settings):
    return real(callbacks=[*callbacks, Kill()], **settings)

real, fl.Trainer = functools.partial(fl.Trainer, **{small}), trainer
starter("{name}").main(["--epochs", "3"])
"""


@pytest.fixture
def small(monkeypatch):
    """Trainers with few batches, and figures that are not drawn."""
    drawn = []

    def draw(figure, path, **settings):
        if Path(path).suffix == ".gif":
            next(iter(figure))  # one picture of the animation
        drawn.append(Path(path))

    monkeypatch.setattr(fl, "Trainer", functools.partial(fl.Trainer, **SMALL))
    monkeypatch.setattr("firstlight.tools.figures.save", draw)
    monkeypatch.setattr("firstlight.tools.figures.animation", draw)
    return drawn


@pytest.mark.parametrize("name", NAMES)
def test_is_complete(name):
    script, page = (SCRIPTS / f"{name}.py").read_text(), DOCS / "starters" / f"{name}.md"
    assert len(script.splitlines()) < 150
    assert re.findall(r"^## (.*)$", page.read_text(), re.M) == SECTIONS
    assert f"python {name}.py" in page.read_text()
    assert (ROOT / "tests" / "oracle" / "starters" / f"test_{name}_torch.py").is_file()
    assert f"starters/{name}.md" in (ROOT / "mkdocs.yml").read_text()
    gallery = (DOCS / "starters" / "index.md").read_text()
    shown = rf"\[!\[[^]]+\]\((pictures/{name}\.(?:png|gif))\)\]\({name}\.md\)"
    (picture,) = re.findall(shown, gallery)
    assert (DOCS / "starters" / picture).stat().st_size <= 150_000


@pytest.mark.parametrize("name", NAMES)
def test_makes_its_first_steps(name, small, capsys):
    starter(name).main(["--epochs", "1", *QUICK.get(name, [])])
    assert FIGURE.search(capsys.readouterr().out)
    plots = {path.parent for path in small if path.suffix in (".png", ".gif")}
    assert [(path.name, path.parts[-4]) for path in plots] == [("plots", "runs")]


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_makes_its_first_steps_on_a_gpu(name, small, capsys):
    if "fake_gpu" in sys.modules and name not in ("diffusion", "vae"):
        pytest.skip("takes half a minute on the fake GPU, which cannot sort, either")
    starter(name).main(["--epochs", "1", "--device", "cuda", *QUICK.get(name, [])])
    assert FIGURE.search(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong(name, capsys):
    assert main(["check", str(SCRIPTS / f"{name}.py")]) == 0, capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_killed_and_resumed_to_the_same_bytes(name, small, capsys, tmp_path, monkeypatch):
    (tmp_path / "killed").mkdir()
    code = KILLED.replace("{small}", repr(SMALL)).replace("{name}", name)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "killed",
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support")},
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    results = []
    for folder, words in (("killed", ["--resume", "auto"]), ("whole", [])):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        starter(name).main(["--epochs", "3", *words])
        runs = {}
        for last in sorted(Path("runs").glob("*/*/checkpoints/last.safetensors")):
            arrays = load_file(last).items()
            runs[last.parts[1]] = {key: array.tobytes() for key, array in arrays}
        results.append((runs, FIGURE.findall(capsys.readouterr().out)))
    assert results[0] == results[1]


def test_a_copy_has_no_links_and_overwrites_nothing(tmp_path, capsys):
    script, page = copy_starter("diffusion", tmp_path / "new")
    assert script.read_text() == (SCRIPTS / "diffusion.py").read_text()
    assert "](" in page.read_text()  # to the papers
    assert not re.search(r"\]\((?!https://)", page.read_text())
    assert main(["starters", "diffusion", "--directory", str(tmp_path / "new")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["starters", "difusion"]) == 2
    assert "did you mean diffusion?" in capsys.readouterr().err
    assert main(["starters"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES


def test_a_copy_has_its_table(tmp_path):
    script, page, table = copy_starter("table", tmp_path)
    assert table.read_bytes() == (SCRIPTS / "table.csv").read_bytes()
    assert 'with_name("table.csv")' in script.read_text()
    assert "CC0" in page.read_text()
