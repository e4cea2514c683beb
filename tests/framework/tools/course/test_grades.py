"""Grading: submissions of all kinds, points, and the files for other programs."""

import csv
import json
import shutil
import subprocess
import zipfile

import pytest
import yaml

from firstlight.tools.cli.main import main
from firstlight.tools.course import exercise, grades
from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.project import new_project
from firstlight.tools.course.run import Limits
from firstlight.tools.course.submissions import submissions

WRONG = ("y = y + self.bias.data", "pass")


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": [cell]} for cell in cells]})


@pytest.fixture
def entries(tmp_path):
    """Seven submissions: folder, zip, notebook, repository, wrong, empty, unreadable."""
    folder = tmp_path / "submissions"
    new_project("folder", folder, solutions=True)
    with zipfile.ZipFile(folder / "zipped.zip", "w") as archive:
        for path in (folder / "folder").rglob("*.py"):
            archive.write(path, path.relative_to(folder))
    solution = solution_text(exercise("linear"))
    cells = ["%matplotlib inline\nimport math", "# exercise: linear\n" + solution, "1 / 0"]
    (folder / "notes.ipynb").write_text(notebook(*cells))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    copy = tmp_path / "clone"
    shutil.copytree(folder / "folder", copy)
    subprocess.run([*git, "init", "-q", str(copy)], check=True)
    subprocess.run([*git, "-C", str(copy), "add", "-A"], check=True)
    subprocess.run([*git, "-C", str(copy), "commit", "-qm", "done"], check=True)
    target = str(folder / "repository.git")
    subprocess.run([*git, "clone", "-q", "--bare", str(copy), target], check=True)
    wrong = new_project("wrong", folder, language="de", solutions=True)
    wrong.path_of("linear").write_text(solution.replace(*WRONG))
    wrong.members = ["Ada", "Emmy"]
    wrong.save()
    (folder / "empty").mkdir()
    (folder / "broken.zip").write_bytes(b"no zip")
    points = tmp_path / "points.yaml"
    points.write_text(yaml.safe_dump({"linear": 10}))
    return folder


def run(entries, *words):
    output = entries.parent / "grades"
    points = ["--points", str(entries.parent / "points.yaml")]
    assert main(["course", "grade", str(entries), "--output", str(output), *points, *words]) == 0
    return output


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_submissions_of_all_kinds(entries, capsys):
    output = run(entries, "--seed", "3", "--jobs", "2")
    table = {row["group"]: row for row in rows(output / "grades.csv")}
    assert {name: row["total"] for name, row in table.items()} == {
        "broken": "0",
        "empty": "0",
        "folder": "10",
        "notes": "10",
        "repository": "10",
        "wrong": "5",
        "zipped": "10",
    }
    assert table["wrong"]["members"] == "Ada; Emmy"
    assert {row["seed"] for row in table.values()} == {"3"}
    assert "broken: 0 / 10 File is not a zip file" in capsys.readouterr().out
    assert "der Bias wird nicht addiert" in (output / "feedback" / "wrong.md").read_text()
    page = (output / "overview.html").read_text()
    assert 'class="wrong" title="Linear.forward: der Bias wird nicht addiert (line ' in page


def test_files_of_other_programs(entries):
    worksheet = entries.parent / "worksheet.csv"
    worksheet.write_text(
        "Identifier,Full name,Email address,Grade,Maximum Grade,Feedback comments\n"
        "Participant 1,Ada,a@b.c,,10,\nParticipant 2,Nobody,n@b.c,,10,\n"
    )
    output = run(entries, "--moodle", str(worksheet))
    told = json.loads((output / "gradescope" / "wrong.json").read_text())
    assert told["score"] == 5
    (test,) = told["tests"]
    assert (test["name"], test["score"], test["max_score"]) == ("linear", 5, 10)
    assert "der Bias wird nicht addiert" in test["output"]
    otter = {row["file"]: row for row in rows(output / "otter.csv")}
    assert otter["wrong"] == {
        "file": "wrong",
        "linear": "5",
        "percent_correct": "0.5000",
        "total_points_earned": "5",
    }
    ada, nobody = rows(output / "moodle.csv")
    assert ada["Grade"] == "5.00"
    assert "linear: 5 / 10" in ada["Feedback comments"]
    assert nobody["Grade"] == ""


def test_grades_are_reproducible(entries):
    first = (run(entries, "--seed", "4") / "grades.csv").read_text()
    assert (run(entries, "--seed", "4", "--jobs", "1") / "grades.csv").read_text() == first


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("liner: 3", "unknown exercise 'liner'"),
        ("linear: -1", "expected points of 0 or more for linear, got -1"),
        ("- linear", "expected lines such as  linear: 5"),
    ],
)
def test_bad_points(entries, points, said, capsys):
    path = entries.parent / "points.yaml"
    path.write_text(points)
    assert main(["course", "grade", str(entries), "--points", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_zip_that_leaves_its_folder_is_refused(entries, tmp_path, capsys):
    with zipfile.ZipFile(entries / "slip.zip", "w") as archive:
        archive.writestr("../../../escaped.py", "x = 1")
    run(entries)
    assert "lies outside the archive's folder" in capsys.readouterr().out
    assert not list(tmp_path.rglob("escaped.py"))


def test_similar_solutions_are_reported(entries):
    page = (run(entries) / "overview.html").read_text()
    assert "Similar solutions" in page


@pytest.mark.slow
def test_an_interrupted_grading_begins_no_further_exercise(tmp_path, monkeypatch):
    for number in range(30):
        new_project(f"group{number:02}", tmp_path, solutions=True)
    begun, judge = [], grades.judge

    def counted(*arguments):
        begun.append(arguments)
        return judge(*arguments)

    def interrupted(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(grades, "judge", counted)
    with submissions(tmp_path) as found, pytest.raises(KeyboardInterrupt):
        grades.grade(found, {"linear": 1.0}, 1, Limits(), jobs=1, tell=interrupted)
    assert 1 <= len(begun) < 30
