"""firstlight demo."""

import pytest


@pytest.fixture
def runs(trained):
    return trained[0] / "runs"


def test_a_demo_goes_into_the_runs_folder(cli, runs):
    code, out, err = cli("demo", "--runs-dir", runs)
    assert (code, err) == (0, "")
    (path,) = runs.glob("*/*/demo.html")
    *told, where = out.splitlines()
    assert where == str(path.resolve())
    assert told[0].startswith("image page of 0.")
    assert told[1].startswith("validation accuracy ")
    assert "mlp-digits – digits" in path.read_text("utf-8")


def test_a_demo_where_it_is_wanted_in_german(cli, runs, tmp_path):
    words = ("--runs-dir", runs, "--language", "de", "--weights", "int8", "-o", "new/d.html")
    code, out, _ = cli("demo", "mlp-digits", *words)
    assert code == 0
    assert out.splitlines()[-1] == "new/d.html"
    page = (tmp_path / "new/d.html").read_text("utf-8")
    assert '<html lang="de">' in page
    assert "Eine Ziffer zeichnen" in page


def test_what_cannot_be_shown_is_refused(cli, refused, runs, tmp_path):
    assert "a name that ends in .html" in refused("demo", "--runs-dir", runs, "-o", "d.txt")
    code, out, err = cli("demo", "--runs-dir", tmp_path)
    assert code == 2
    assert f"no run in {tmp_path}" in err


def test_a_run_without_the_checkpoint(cli, runs):
    words = ("--runs-dir", runs, "--checkpoint")
    told = [cli(command, *words, "gone.safetensors") for command in ("demo", "look", "export")]
    assert [code for code, _, _ in told] == [1, 1, 1]
    messages = {err.partition(" failed: ")[2].partition("\n")[0] for _, _, err in told}
    assert len(messages) == 1  # the same of all commands
    assert "its folder has none: a run saves its first one" in messages.pop()
