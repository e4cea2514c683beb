"""``firstlight runs``: list, show, compare, plot, diff, export."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from firstlight.callbacks import Plots
from firstlight.runs import RunFolder, list_runs
from firstlight.tools.cli.commands import runs_plot
from firstlight.tools.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with three short runs of two names."""
    folder = tmp_path_factory.mktemp("runs")
    common = ("fit", "--model.hidden", "16", "--trainer.max_epochs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(Plots, "on_fit_end", lambda self: None)
        for words in (
            (*common, 3, "--model.lr", 0.01),
            (*common, 3, "--model.lr", 0.1, "--seed", 1),
            (*common, 1, "--name", "other"),
        ):
            command = [str(word) for word in words]
            patch.setattr(sys, "argv", ["firstlight", *command])
            assert main(command) == 0
    return folder


@pytest.fixture
def ids(folder, monkeypatch):
    """Stand in that folder; returns the ids of its runs, the oldest first."""
    monkeypatch.chdir(folder)
    return [run.id for run in list_runs()]


def test_runs_alone_tells_what_there_is(cli):
    code, out, _ = cli("runs")
    assert code == 0
    for command in [
        "list",
        "show",
        "compare",
        "plot",
        "diff",
        "tag",
        "note",
        "rm",
        "gc",
        "export",
        "diverge",
    ]:
        assert f"\n  {command} " in out


def test_an_unknown_command_names_the_nearest(refused):
    assert refused("runs", "lst") == "firstlight runs: unknown command runs lst; did you mean list?"


def test_list_shows_a_line_for_each_run(cli, ids):
    code, out, _ = cli("runs", "list")
    head, *lines = out.splitlines()
    assert code == 0
    assert head.split()[:4] == ["run", "status", "epochs", "best.val_loss"]
    assert [line.split()[0] for line in lines] == [
        f"mlp-digits/{ids[0]}",
        f"mlp-digits/{ids[1]}",
        f"other/{ids[2]}",
    ]
    assert [line.split()[1:3] for line in lines] == [["finished", n] for n in "331"]
    assert len({len(line.rstrip()) for line in lines}) == 1  # columns stand under each other


def test_list_filters_and_sorts_and_chooses_columns(cli, ids):
    _, out, _ = cli("runs", "list", "--where", "model.lr > 0.001", "--sort", "-model.lr")
    assert [line.split()[0][-4:] for line in out.splitlines()[1:]] == [ids[1][-4:], ids[0][-4:]]
    _, out, _ = cli("runs", "list", "--columns", "seed,model.hidden", "--where", "seed == 1")
    assert out.splitlines()[0].split() == [
        "run",
        "status",
        "epochs",
        "seed",
        "model.hidden",
        "time",
        "tags",
    ]
    assert out.splitlines()[1].split()[3:5] == ["1", "16"]
    _, out, _ = cli("runs", "list", "--where", "seed == 7")
    assert out == "no run in runs fulfils --where\n"


def test_list_as_json_has_everything(cli, ids):
    _, out, _ = cli("runs", "list", "--json", "--where", "name == 'other'")
    (run,) = json.loads(out)
    assert (run["run"], run["status"], run["epochs"]) == (f"other/{ids[2]}", "finished", 1)
    assert run["config"]["trainer"]["max_epochs"] == 1
    assert set(run["best"]) == {"val_loss", "val_acc"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "--where", "val_ac > 1"], "where: no run has 'val_ac'; did you mean val_acc?"),
        (["list", "--sort", "lrr"], "sort: no run has 'lrr'; "),
        (["list", "--columns", "model.lrr"], "columns: no run has 'model.lrr'; did you mean"),
        (["show", "nothing"], "no run nothing in runs; the newest are: other/"),
        (["compare", "latest"], "expected 2 or more runs, found 1 in runs"),
        (["compare"], 'expected either runs, or --where "..." to choose them'),
        (["plot", "latest", "-m", "val_los"], "nothing was logged as val_los; did you mean"),
        (
            ["plot", "latest", "-m", "test_acc"],
            "-m: test_acc is one number a run, no curve; see it",
        ),
        (["plot", "latest", "-o", "x.gif"], "a name that ends in .png, .svg or .pdf, got x.gif"),
        (["plot", "latest", "--smooth", "1"], "a weight from 0 to below 1, got 1.0"),
        (["plot", "latest", "--seeds"], "--seeds: expected a file for the picture, e.g. -o"),
        (["plot", "latest", "--seeds", "--smooth", "0.5", "-o", "a.svg"], "expected no --smooth"),
        (["export", "latest", "-o", "x.xls"], "ends in .csv or .parquet, got 'x.xls'"),
    ],
)
def test_wrong_words_are_told(refused, ids, words, message):
    told = refused("runs", *words)
    assert message in told
    assert told.startswith(f"firstlight runs {words[0]}: ")


def test_show_tells_all_about_one(cli, ids):
    code, out, _ = cli("runs", "show", ids[0][-4:])
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert lines["status"].split() == ["status", "finished"]
    assert lines["took"].endswith("3 epochs")
    assert "--model.lr 0.01" in lines["command"]
    assert lines["model.lr"].split() == ["model.lr", "0.01"]
    assert "facts.num_classes" not in lines
    assert lines["val_acc"].split()[3] in "123"  # the epoch of the best
    shown = json.loads(cli("runs", "show", "--json")[1])
    assert (shown["run"], shown["environment"]["device"]) == (f"other/{ids[2]}", "cpu")


def test_compare_shows_what_differs_and_marks_the_best(cli, ids):
    code, out, _ = cli("runs", "compare", ids[0], ids[1])
    assert out.split("\n")[0].split() == [ids[0][-4:], ids[1][-4:]]
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    assert code == 0
    assert {"model.lr", "seed"} <= set(rows)
    assert "model.hidden" not in rows
    assert rows["test_acc"].count("*") == 1
    _, out, _ = cli("runs", "compare", ids[0], ids[1], "--all", "--metrics", "val_acc")
    assert "\nmodel.hidden" in out
    assert "best val_acc" in out
    assert "best val_loss" not in out
    found = json.loads(cli("runs", "compare", "--where", "epochs > 0", "--json")[1])
    assert found["settings"]["model.lr"] == [0.01, 0.1, 0.001]
    assert len(found["results"]["val_acc"]) == 3


def test_long_settings_do_not_tear_the_table_apart(cli, ids, tmp_path):
    for number in range(2):
        path = tmp_path / f"r/script/{number}"
        path.mkdir(parents=True)
        model = f"Net(\n  (0): Linear(64, {number + 10})\n" + "  (1): ReLU()\n" * 30 + ")"
        (path / "config.json").write_text(json.dumps({"model": model}))
        (path / "summary.json").write_text(json.dumps({"status": "finished", "metrics": {}}))
    _, out, _ = cli("runs", "compare", "--runs_dir", tmp_path / "r", "--where", "epochs == 0")
    (line,) = (line for line in out.splitlines() if line.startswith("model"))
    assert len(line) < 120
    assert "Net((0): Linear(64, 10)" in line
    assert "…" in line
    _, out, _ = cli("runs", "export", "--summary", "--runs_dir", tmp_path / "r", "0")
    assert len(out.splitlines()) == 2, "one line for the run"


def test_plot_on_the_terminal_and_into_files(cli, ids):
    code, out, _ = cli("runs", "plot", "-m", "val_loss", *ids[:2])
    head, *lines = out.splitlines()
    assert (code, head.split()) == (0, ["val_loss", "first", "last", "best"])
    assert lines[0].startswith(f"{ids[0][-4:]}  lr=0.01 seed=0  ")
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for kind, begin in begins.items():
        words = ("-m", "val_loss,val_acc", "--smooth", "0.5", "--log", "-o", f"curves{kind}")
        assert cli("runs", "plot", *ids, *words)[1] == f"curves{kind}\n"
        assert Path(f"curves{kind}").read_bytes().startswith(begin)


def test_plot_of_the_mean_over_seeds(cli, ids):
    code, out, _ = cli("runs", "plot", *ids, "--seeds", "-m", "val_loss", "-o", "bands.svg")
    assert (code, out) == (0, "bands.svg\n")
    assert Path("bands.svg").read_bytes().startswith(b"<?xml")
    found = [RunFolder(f"runs/mlp-digits/{name}") for name in ids[:2]]
    assert runs_plot._setting_labels(found)[0] == "lr=0.01 seed=0"
    assert runs_plot._setting_labels([found[0], RunFolder(f"runs/other/{ids[2]}")]) == [
        "mlp-digits",
        "other",
    ]


def test_files_may_go_into_a_folder_that_is_not_there_yet(cli, ids):
    for words in (["plot", ids[0], "-o", "new/a.svg"], ["export", ids[0], "-o", "other/b.csv"]):
        assert cli("runs", *words)[0] == 0
        assert Path(words[-1]).is_file()


def test_what_is_logged_by_steps_lies_between_the_epochs(cli, ids):
    (lines,) = (runs_plot.curves("lr", [RunFolder("runs/mlp-digits/" + ids[0])], "epoch"),)
    ((x, y),) = lines.values()
    assert len(x) == len(y) > 3
    assert list(x) == sorted(x)
    assert x[-1] == 3
    assert any(place % 1 for place in x), "steps are fractions of an epoch"


def test_what_a_pattern_of_the_shell_brings_with_it_is_passed_over(cli, refused, ids):
    Path("runs/mlp-digits/best.yaml").write_text("model: mlp")
    Path("runs/mlp-digits/trials").mkdir()
    names = sorted(map(str, Path("runs/mlp-digits").iterdir()))
    assert len(names) == 4
    found = json.loads(cli("runs", "compare", *names, "--json")[1])["runs"]
    assert found == [f"mlp-digits/{one}" for one in ids[:2]]
    assert "no run runs/mlp-digits/best.yaml in runs" in refused(
        "runs", "compare", "runs/mlp-digits/best.yaml"
    )
    Path("runs/mlp-digits/best.yaml").unlink()
    Path("runs/mlp-digits/trials").rmdir()


def test_diff_of_two_runs(cli, ids):
    code, out, _ = cli("runs", "diff", *ids[:2])
    assert code == 0
    assert out.splitlines()[:2] == [f"--- mlp-digits/{ids[0]}", f"+++ mlp-digits/{ids[1]}"]
    assert "  model.lr  0.01  ->  0.1\n" in out
    assert "environment: the same" in out
    assert out.endswith("code: the same\n")
    assert json.loads(cli("runs", "diff", *ids[:2], "--json")[1])["settings"]["seed"] == [0, 1]


def test_export_as_csv_goes_to_the_terminal_or_a_file(cli, ids):
    _, out, _ = cli("runs", "export", *ids[:2])
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["run"] for row in rows} == {f"mlp-digits/{ids[0]}", f"mlp-digits/{ids[1]}"}
    _, out, _ = cli("runs", "export", "--summary", "--where", "epochs == 3", "-o", "all.csv")
    assert out == "all.csv: 2 rows of 2 runs\n"
    rows = list(csv.DictReader(Path("all.csv").read_text().splitlines()))
    assert [row["model.lr"] for row in rows] == ["0.01", "0.1"]
