"""A student's project: its files, its check, and the hints."""

import json
import subprocess
import sys

import pytest

from firstlight.tools.cli.main import main
from firstlight.tools.course import exercise
from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.project import FILES, Project, new_project


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = new_project("group7", tmp_path)
    monkeypatch.chdir(made.folder)
    return made


def test_files(tmp_path):
    english, german = new_project("a", tmp_path), new_project("b", tmp_path, language="de")
    for name in ("README.md", "report.md", "poster.md"):
        assert (english.folder / name).read_text() != (german.folder / name).read_text()
    assert "YOUR CODE HERE" in english.path_of("linear").read_text()
    assert "HIER IHR CODE" in german.path_of("linear").read_text()
    assert "#SBATCH --job-name=a\n" in (english.folder / "job.sh").read_text()
    assert Project.read(german.folder).language == "de"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x"])
def test_bad_names(name, tmp_path):
    with pytest.raises(ValueError, match="expected letters, digits"):
        new_project(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(project, capsys):
    assert main(["course", "new", "group7", "--directory", str(project.folder.parent)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_project_that_cannot_be_written_whole_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(FILES, "zzz", "no such template")
    with pytest.raises(FileNotFoundError):
        new_project("group7", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_check_outside_of_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["course", "check"]) == 2
    assert "no project of the course in" in capsys.readouterr().err


def test_an_unknown_exercise(project, capsys):
    assert main(["course", "check", "linaer"]) == 2
    assert "unknown exercise 'linaer'; did you mean linear?" in capsys.readouterr().err


def test_hints_come_level_by_level_and_are_kept(project, capsys):
    path = project.path_of("linear")
    right, wrong = "y = y + self.bias.data", "pass  # no bias"
    source = solution_text(exercise("linear"))
    path.write_text(source.replace(right, wrong))
    line = next(n for n, one in enumerate(source.splitlines(), 1) if "y = x @" in one)

    def shown(*words):
        assert main(["course", "check", "linear", *words]) == 1
        return capsys.readouterr().out

    first = shown()
    assert "Linear.forward: the bias is not added" in first
    assert f"linear.py:{line}" not in first
    second = shown("--hint")
    assert f"linear.py:{line}" in second
    assert "add self.bias.data" not in second
    assert "add self.bias.data" in shown("--hint")
    kept = json.loads((project.folder / "course.json").read_text())
    assert (kept["hints"], kept["checks"]) == ({"linear": 3}, {"linear": 3})


def test_a_file_that_is_no_python_is_wrong_not_empty(project, capsys):
    project.path_of("linear").write_text("def f(:")
    assert main(["course", "check", "linear"]) == 1
    assert "linear: wrong" in capsys.readouterr().out


def test_a_script_may_judge_without_a_guard(tmp_path):
    script = tmp_path / "judges.py"
    script.write_text(
        "from firstlight.tools.course import exercise, judge\n"
        "from firstlight.tools.course.cut import solution_text\n"
        "task = exercise('linear')\n"
        "print(judge(solution_text(task), 'linear.py', task, 1).status)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.stdout == "right\n", done.stderr


@pytest.mark.slow
def test_table_of_all_exercises(project, capsys):
    assert main(["course", "check", "--language", "de"]) == 0
    assert "noch leer" in capsys.readouterr().out
    project.path_of("linear").write_text(solution_text(exercise("linear")))
    assert main(["course", "check", "--language", "de"]) == 0
    out = capsys.readouterr().out
    assert "richtig" in out
    assert "] 1 von " in out


def test_json(project, capsys):
    assert main(["course", "check", "linear", "--json", "--seed", "1"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["exercise"], result["status"], result["share"]) == ("linear", "empty", 0)


def test_a_missing_file_and_a_damaged_project(project, capsys):
    project.path_of("linear").unlink()
    main(["course", "check", "linear"])
    assert "the file is missing or empty" in capsys.readouterr().out
    (project.folder / "course.json").write_text("{")
    assert main(["course", "check"]) == 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.slow  # starts Python twice
def test_training_and_tests_of_a_project(tmp_path):
    folder = new_project("done", tmp_path, solutions=True).folder
    for command in (["train.py", "--epochs", "1"], ["-m", "pytest", "-q", "tests"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
