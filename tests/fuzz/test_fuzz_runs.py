"""Damaged and hostile runs: 900 mutations of the files in a run's folder, read by the commands.

A command ends with a message about the file, or as it did before the change; other runs are
listed beside the damaged one; nothing runs, hangs, or takes a gigabyte.
"""

import json
import re
import shutil
import zlib

import numpy as np
import pytest
from fuzzing import CURE, Watch, mutated

from firstlight.runs.find import latest_run
from firstlight.tools.cli.commands import sweep
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.main import main
from firstlight.tools.sweeps import load_spec
from firstlight.tools.sweeps.trials import Trials

pytestmark = pytest.mark.slow
WATCH = Watch()
COUNT = 100  # mutations of each file
OURS = ("UsageError", "ValueError", "RuntimeError", "FileNotFoundError", "OSError")
KEPT = ("model", "data", "seed", "facts", "trainer")  # of config.json, what a test depends on
LOOKING = (
    ("runs", "list"), ("runs", "list", "--json"), ("runs", "list", "--sort", "-best.val_loss"),
    ("runs", "show", "{run}"), ("runs", "compare", "{run}", "{other}"),
    ("runs", "export", "{run}", "--summary"), ("runs", "plot", "{run}", "{other}"),
)  # fmt: skip
FILES = {
    "config.json": (
        ("test", "{run}"),
        ("fit", "--config", "{run}", "--print_config"),
        *LOOKING[:4],
    ),
    "summary.json": LOOKING,
    "metrics.jsonl": LOOKING,
    "environment.json": (*LOOKING[:4], ("runs", "diff", "{run}", "{other}")),
    "marks.json": (*LOOKING[:4], ("runs", "tag", "{run}")),
    "preprocessing.json": (("test", "{run}"), ("predict", "{run}")),
    "checkpoints/best.safetensors": (("test", "{run}"), ("predict", "{run}")),
}


@pytest.fixture
def runs(tmp_path, capsys):
    """Two runs, and a file that code in a run would be imported from."""
    for seed in (1, 2):
        assert main(["fit", "--trainer.max_steps=20", f"--seed={seed}"]) == 0
    (tmp_path / "evil.py").write_text("Net = data = None\n")
    other = latest_run(tmp_path / "runs")
    (run,) = (path for path in other.parent.iterdir() if path != other)
    (run / "marks.json").write_text(json.dumps({"tags": ["a", "b"], "note": "some words"}))
    capsys.readouterr()
    return run, other


def complaint(command, path, code, out, err, other):
    """Return what is wrong with how a command ended, or None."""
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if not all(c.isprintable() or c in "\n\t" for c in out + err):
        return "characters for a terminal"
    if command[:2] == ["runs", "list"] and (code != 0 or other.name not in out):
        return f"the other run is not listed: {err}"
    if "Traceback" not in err:
        return None
    kinds = re.findall(
        r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt|Exit))\b:? ?(.*)", err, re.M
    )
    kind, message = kinds[-1] if kinds else ("?", "")
    if kind not in OURS:
        return f"{kind}: {message}"
    if path.name not in err.split("Traceback")[-1] and path.parent.name not in message:
        return f"no file in: {message}"
    return None if CURE.search(message) else f"no cure in: {message}"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_mutated_runs(name, runs, tmp_path, capsys):
    run, other = runs
    path = run / name
    content = path.read_bytes()

    def ended(words):
        command = [word.format(run=run, other=other) for word in words]
        code = main([*command, "--debug"])
        return command, code, *capsys.readouterr()

    before = {words: ended(words) for words in FILES[name]}
    assert all(one[1] == 0 for one in before.values()), before
    rng, wrong, noticed = np.random.default_rng(zlib.crc32(name.encode())), [], 0
    for number in range(COUNT):
        data = mutated(content, rng)
        for words in FILES[name]:
            path.write_bytes(data)
            try:
                with WATCH.reading(tmp_path):
                    command, code, out, err = ended(words)
                problem = complaint(command, path, code, out, err, other)
                noticed += code != 0 or out != before[words][2]
                if code == 0 and problem is None:
                    problem = silent(name, words, content, data, out, before[words][2])
            except BaseException as error:  # CodeRun, Hang, MemoryError
                if isinstance(error, KeyboardInterrupt):
                    raise
                problem = f"{type(error).__name__}: {error}"
                capsys.readouterr()
            if problem is not None:
                wrong.append((number, words, data[:300], problem))
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n".join(map(str, wrong[:12]))
    assert noticed > COUNT // 20


def silent(name, words, content, data, out, before):
    """Return what was wrongly accepted, or None."""
    if words[0] not in ("test", "predict"):
        return None
    if name == "config.json":
        try:
            now, then = json.loads(data), json.loads(content)
        except ValueError:
            return "no JSON, and accepted"
        same = all(now.get(key) == then.get(key) for key in KEPT)
        return "another result" if same and out != before else None
    if name.startswith("checkpoints"):
        return "a damaged checkpoint, and another result" if out != before else None
    return None


def test_mutated_sweeps(runs, tmp_path):
    """What a sweep's folder says of itself and its trials."""
    pytest.importorskip("optuna")
    (tmp_path / "s.yaml").write_text("trials: 3\nparameters: {model.lr: {min: 0.1, max: 0.9}}\n")
    folder = tmp_path / "runs" / "s"
    folder.mkdir()
    shutil.copytree(runs[0], folder / "r1")
    spec = load_spec("s.yaml")
    trials = Trials(folder, spec)
    trials.take()
    trials.note(1, run="r1")
    said = json.dumps(spec.as_dict()).encode()
    journal = (folder / "optuna.journal").read_bytes()
    rng, wrong = np.random.default_rng(3), []

    class Own:
        file, jobs, trials, runs_dir = str(folder), None, None, None

    for number in range(2 * COUNT):
        changed = [said, journal]
        changed[number % 2] = mutated(changed[number % 2], rng)
        (folder / "sweep.json").write_bytes(changed[0])
        (folder / "optuna.journal").write_bytes(changed[1])
        try:
            with WATCH.reading(tmp_path):
                spec, _ = sweep.described(Own)
                for one in Trials(folder).all():
                    assert one.value is None or one.run is not None
        except (UsageError, ValueError) as error:
            named = "sweep.json" in str(error) or "optuna.journal" in str(error)
            if not named or not CURE.search(str(error)):
                wrong.append((number, changed[number % 2][:200], str(error)))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong.append((number, changed[number % 2][:200], f"{type(error).__name__}: {error}"))
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(map(str, wrong[:12]))
