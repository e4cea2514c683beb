"""firstlight report and firstlight poster."""

import pytest


@pytest.fixture
def runs(trained):
    return trained[0] / "runs"


@pytest.mark.slow
def test_a_report_goes_into_the_runs_folder(cli, runs):
    code, out, err = cli("report", "--runs-dir", runs)
    assert (code, err) == (0, "")
    (path,) = runs.glob("*/*/report.html")
    assert out.splitlines() == [str(path.resolve())]
    assert "Confusion matrix" in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_paths_are_told_from_here(cli, runs, monkeypatch):
    monkeypatch.chdir(runs.parent)
    code, out, _ = cli("look")
    assert code == 0
    assert all(line.startswith("runs/mlp-digits/") for line in out.splitlines()), out


@pytest.mark.slow
def test_a_poster_where_it_is_wanted(cli, runs, tmp_path):
    words = ("--runs-dir", runs, "--size", "a1", "--output", tmp_path / "new/p.pdf")
    code, _, err = cli("poster", "mlp-digits", *words)
    assert (code, err) == (0, "")
    assert (tmp_path / "new/p.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("kind", ["text", "polynomial"])
@pytest.mark.slow
def test_other_tasks_have_reports_too(cli, kind, tmp_path):
    fits = {
        "text": ("--model", "gpt", "--data", "text", "--data.block_size", 16, "--model.n_layer", 1)
        + ("--model.n_embd", 8, "--model.n_head", 2, "--trainer.max_steps", 3)
        + ("--trainer.limit_val_batches", 1, "--callback", "text_samples"),
        "polynomial": ("--model", "polynomial", "--data", "polynomial", "--trainer.max_epochs", 3),
    }
    assert cli("fit", *fits[kind])[0] == 0
    code, out, err = cli("report", "--output", "r.html")
    assert (code, out, err) == (0, "r.html\n", "")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    expected = {"text": "Generated text", "polynomial": "Predictions"}
    assert expected[kind] in html
    if kind == "polynomial":
        assert cli("poster", "--output", "p.pdf")[0] == 0


def test_without_weights_there_is_a_report_without_the_model(cli, runs, tmp_path):
    code, *_ = cli("fit", "--model", "mlp", "--trainer.max_epochs", 1, "--runs_dir", tmp_path / "r")
    for path in tmp_path.glob("r/*/*/checkpoints/*"):
        path.unlink()
    code, out, _ = cli("report", "--runs_dir", tmp_path / "r")
    assert code == 0
    assert "no pictures of the model and its data: the run has no checkpoint" in out
    assert "has no checkpoint" in out


def test_wrong_use_is_told(refused, runs, tmp_path):
    assert "no run none in" in refused("report", "none", "--runs-dir", runs)
    told = refused("poster", "--runs-dir", runs, "--output", "p.png")
    assert "ends in .pdf or .tex, got p.png" in told
    told = refused("report", "--runs-dir", runs, "--output", "p.pdf", "--format", "tex")
    assert "expected a name that ends in .tex, got p.pdf" in told
    assert "No such file" in refused("report", "--runs-dir", runs, "--text", tmp_path / "no.md")
    assert "invalid choice: 'fr'" in refused("report", "--runs-dir", runs, "--language", "fr")
