"""The notebooks of the course: made from its scripts, in two languages, and run."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="needs the extra notebook")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
import nbformat  # noqa: E402

ROOT = Path(__file__).parents[2]
STEPS = sorted(path.stem for path in (ROOT / "examples" / "course").glob("*.py"))
STEPS.remove("images")
FIGURES = {  # shown
    "1_polynomial": 8,
    "3_mlp": 2,
    "4_cupy": 1,
    "4_roofline": 1,
    "6_cnn": 5,
    "7_transformer": 2,
    "9_poster": 2,
}
SHORT = {"strategies": 'main(["--seeds", "2", "--epochs", "1"])'}  # the last cell; else an hour


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, ROOT / "docs/notebooks.py", made], check=True)
    return made


def cells(path, kind):
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def statements(code):
    return [ast.unparse(statement) for statement in ast.parse(code).body]


@pytest.mark.parametrize("step", STEPS)
def test_both_languages_have_the_code_of_the_script(step, folder):
    script = (ROOT / "examples" / "course" / f"{step}.py").read_text()
    english, german = folder / f"{step}.ipynb", folder / f"{step}.de.ipynb"
    code = cells(english, "code")
    assert code == cells(german, "code")
    for cell in code:
        in_script = cell if cell in script else re.sub("^(?=.)", "# ", cell, flags=re.M)
        assert in_script in script
    _, *expected = statements(script)  # without the docstring
    expected = [code for code in expected if not code.startswith("if __name__")]
    assert [code for code in statements("\n".join(code)) if code in expected] == expected


@pytest.mark.parametrize("step", STEPS)
def test_every_text_is_translated_and_names_its_chapter(step, folder):
    english = cells(folder / f"{step}.ipynb", "markdown")
    german = cells(folder / f"{step}.de.ipynb", "markdown")
    assert len(english) == len(german)
    for one, other in zip(english, german, strict=True):
        assert one != other or one == "## Test"
    for texts in (english, german):
        page = re.search(r"\]\((\S+\.md)\)", texts[0])[1]
        assert (folder / page).is_file()
        assert page.endswith(".de.md") == (texts is german)


def test_a_missing_translation_is_named(tmp_path):
    for name in ("docs/course", "examples"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "docs/notebooks.py", tmp_path / "docs")
    german = (ROOT / "docs/notebooks_german.py").read_text()
    (tmp_path / "docs/notebooks_german.py").write_text(german.replace('"## Train":', '"## Drill":'))
    done = subprocess.run(
        [sys.executable, tmp_path / "docs/notebooks.py"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no German: ## Train\nno text in a script: ## Drill" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("language", ["", ".de"])
@pytest.mark.parametrize("step", STEPS)
def test_a_notebook_runs(step, language, folder, tmp_path, monkeypatch):
    monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)  # the small digits
    made = nbformat.read(folder / f"{step}{language}.ipynb", 4)
    shutil.copy(folder / "images.py", tmp_path)
    if step in SHORT:
        assert made.cells[-1].source.startswith("main(")
        made.cells[-1].source = SHORT[step]
    place = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(made, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in made.cells for output in cell.get("outputs", ())]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    shown = [output.data for output in outputs if "data" in output]
    figures = [data for data in shown if data.get("text/plain", "").startswith("<Figure")]
    assert all("image/png" in data for data in figures)
    assert len(figures) == FIGURES.get(step, 0)
