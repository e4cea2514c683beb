"""``data``, ``models``, ``plugins``, ``tensorboard``, and help."""

import json
import sys

import pytest

import firstlight
from firstlight.tools.cli.commands import tensorboard
from firstlight.tools.cli.commands.plugins import Models

COMMANDS = ("fit", "validate", "test", "predict", "look")
COMMANDS += ("generate", "data", "models", "plugins", "tensorboard")


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command(cli, words):
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in out
    assert "  firstlight fit --model mlp" in out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help(cli, command, flag):
    code, out, err = cli(command, flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: firstlight {command}")
    assert out.isascii() or command == "fit"
    assert all(len(line) <= 100 for line in out.splitlines())


def test_the_help_of_fit_is_that_of_the_chosen(cli):
    words = ("fit", "--model", "polynomial", "--callback", "early_stopping", "--help")
    code, out, _ = cli(*words)
    assert code == 0
    assert "model polynomial:" in out
    text = " ".join(out.split())
    assert "--model.degree DEGREE M, 0 or more; 0 fits a constant. (type: int, default: 3)" in text
    assert "\n  --model.hidden" not in out
    assert "callback early_stopping:" in out
    assert "--early_stopping.mode {auto,min,max}" in out
    assert "from the data if not given" in cli("fit", "--help")[1]


def test_the_help_of_a_model_of_ones_own(cli, mine):
    _, out, _ = cli("fit", "--model", "mine:Net", "--help")
    text = " ".join(out.split())
    assert "--model.depth DEPTH How deep. (" in text
    assert "default: 1)" in text
    assert "--model.rate RATE (" in text
    assert "--model.rng RNG" in text


def test_version(cli):
    assert cli("--version") == (0, f"firstlight {firstlight.__version__}\n", "")


def test_an_unknown_command(refused):
    assert refused("fti") == "firstlight: unknown command fti; did you mean fit?"
    assert refused("train") == "firstlight: unknown command train; did you mean fit?"


@pytest.mark.parametrize(
    ("command", "names"), [("data", ("digits", "mnist", "polynomial")), ("models", ("mlp",))]
)
def test_lists_say_what_each_is_and_where_from(cli, command, names):
    code, out, err = cli(command)
    assert (code, err) == (0, "")
    for name in names:
        (line,) = (line for line in out.splitlines() if line.split()[0] == name)
        assert line.endswith("(firstlight)")
        assert len(line.split()) > 5
    assert "`" not in out


def test_one_data_set_is_shown(cli):
    code, out, err = cli("data", "show", "digits", "--batch_size", 7, "--data.test_size", 0.5)
    assert (code, err) == (0, "")
    assert "digits: input shape (8, 8, 1), batches of 7" in out
    assert "  train  " in out
    assert "uint8 (8, 8, 1)  int64 ()" in out
    rows = [line.split() for line in out.splitlines()]
    counts = {row[0]: [int(n) for n in row[1:]] for row in rows if row[0] in "0123456789"}
    assert len(counts) == 10
    assert sum(sum(count) for count in counts.values()) == 1797


def test_a_regression_has_no_classes_to_show(cli):
    code, out, _ = cli("data", "show", "polynomial", "--n_train", 12)
    assert code == 0
    assert "  train  12       float32 (1,)  float32 (1,)" in out
    assert "target: regression, 1 value a sample" in out


def test_a_data_set_is_described(cli, tmp_path):
    rows = [f"{row % 9},{row * 37 % 101},{'ab'[row % 2]}" for row in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,kind", *rows, *rows[:3]]))
    code, out, err = cli("data", "describe", "t.csv", "--output", "t.png")
    assert (code, err) == (0, "")
    assert " x numbers - 0 ... 4 ... 8 - " in " ".join(out.split())
    assert "- leak: " in out
    assert out.endswith("picture: t.png\n")
    assert (tmp_path / "t.png").stat().st_size > 1000
    assert "found no leaks" in cli("data", "describe", "digits")[1]


def test_data_show_has_help_and_refuses(cli, refused):
    assert "--data.val_size VAL_SIZE" in cli("data", "show", "digits", "--help")[1]
    assert "did you mean --data.batch_size?" in refused("data", "show", "digits", "--batchsize", 3)
    assert "did you mean 'digits'?" in refused("data", "show", "digit")
    assert "expected: data, data show|describe NAME, or data download NAME" in refused(
        "data", "digits"
    )
    assert "expected: data, data show|describe NAME, or data download NAME" in refused(
        "data", "show"
    )


def test_models_takes_no_arguments(refused):
    assert refused("models", "mlp") == "firstlight models: unrecognized arguments: mlp"


def test_plugins_are_listed_with_what_they_offer(cli):
    code, out, _ = cli("plugins")
    assert code == 0
    assert f"firstlight_models  firstlight {firstlight.__version__}  (firstlight.models)" in out
    assert "hooks: register_models" in out
    assert f"models: {', '.join(firstlight.plugins.registry('model').names())}" in out


def test_plugins_as_json(cli):
    code, out, _ = cli("plugins", "--json")
    assert code == 0
    found = {plugin["name"]: plugin for plugin in json.loads(out)}
    assert found["firstlight_models"]["offers"] == {
        "model": firstlight.plugins.registry("model").names()
    }
    assert found["firstlight_models"]["error"] == ""
    assert found["firstlight_models"]["version"] == firstlight.__version__


def test_a_new_plugin_is_written(cli, refused, tmp_path):
    code, out, err = cli("plugins", "new", "hello", "--directory", tmp_path / "new")
    assert (code, err) == (0, "")
    written = out.splitlines()[0].removeprefix("wrote ")
    assert (tmp_path / "new") in (tmp_path / written).parents
    assert list((tmp_path / written).glob("pyproject.toml"))
    assert "plugins new NAME" in refused("plugins", "new")
    assert refused("plugins", "new", "hello", "--directory", tmp_path / "new")  # it is there


def test_plugins_refuses_other_words(refused):
    assert "got show x" in refused("plugins", "show", "x")
    assert "unrecognized arguments: --yaml" in refused("plugins", "--yaml")


@pytest.fixture
def started(monkeypatch):
    """What would be started in place of this process."""
    commands = []
    monkeypatch.setattr(tensorboard.os, "execv", lambda path, words: commands.append(words))
    return commands


def test_tensorboard_is_started_on_the_runs(cli, started, tmp_path):
    (tmp_path / "runs").mkdir()
    code, out, _ = cli("tensorboard", "--port", 7007)
    assert "http://localhost:7007" in out
    words = ["-P", "-m", "tensorboard.main", "--logdir", "runs", "--port", "7007"]
    assert started == [[sys.executable, *words]]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"SSH_CONNECTION": ""}, None),
        ({"SSH_CONNECTION": "::1 9 fe80::2 2222"}, "-p 2222 ada@fe80::2"),
        ({"SSH_CONNECTION": "10.0.0.9 9 10.0.0.1 22"}, "ada@10.0.0.1"),
        ({"SLURMD_NODENAME": "n7", "SLURM_SUBMIT_HOST": "login"}, "-J ada@login ada@n7"),
    ],
)
def test_tensorboard_on_another_machine_says_how_to_reach_it(
    cli, started, tmp_path, monkeypatch, variables, expected
):
    (tmp_path / "runs").mkdir()
    for name in ("SSH_CONNECTION", "SLURMD_NODENAME", "SLURM_SUBMIT_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables | {"USER": "ada"}).items():
        monkeypatch.setenv(name, value)
    out = cli("tensorboard", "--port", 7007)[1]
    if expected is None:
        assert "ssh" not in out
    else:
        assert f"through: ssh -N -L 7007:localhost:7007 {expected}\n" in out


def test_tensorboard_says_that_it_shows_none_of_many_runs(cli, started, tmp_path):
    for number in range(41):
        assert "TOGGLE" not in cli("tensorboard", "runs" if number else ".")[1]
        path = tmp_path / f"runs/a/{number}"
        path.mkdir(parents=True)
        (path / "config.json").write_text("{}")
    assert "none of more than 40 runs at first" in cli("tensorboard")[1]


def test_tensorboard_that_is_not_installed(cli, started, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert cli("tensorboard")[0] == 1
    assert started == []


def test_tensorboard_refuses(refused, started):
    assert "there is no folder runs; make a run with: firstlight fit" in refused("tensorboard")
    assert "argument --port: invalid int value: 'x'" in refused("tensorboard", "--port", "x")
    assert "unrecognized arguments: --prot=1" in refused("tensorboard", "--prot", "1")


def test_warnings_are_one_line(cli, monkeypatch, recwarn):
    import warnings

    def run(self, args):
        warnings.simplefilter("always")
        warnings.warn("mind the gap", stacklevel=1)
        return 0

    monkeypatch.setattr(Models, "run", run)
    assert cli("models") == (0, "", "warning: mind the gap\n")
