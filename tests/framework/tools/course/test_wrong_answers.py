"""Wrong answers in several styles are rejected, and the cause is told."""

import tomllib

import pytest
from course_answers import FOLDER, filled

from firstlight.tools.course.cut import exercise_text
from firstlight.tools.course.exercise import exercise
from firstlight.tools.course.judge import judge_outcome
from firstlight.tools.course.run import computed

SEED = 3
WRONG = tomllib.loads(FOLDER.with_name("wrong_answers.toml").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("file", WRONG)
def test_wrong_answers_are_rejected_with_their_cause(file):
    task = exercise(file.rpartition("_")[0])
    right = (FOLDER / f"{file}.py").read_text()
    for one in WRONG[file]:
        assert right.count(one["right"]) == 1, one
        answer = filled(exercise_text(task), right.replace(one["right"], one["wrong"]))
        result = judge_outcome(computed(task, answer, SEED), answer, task, SEED)
        assert result.parts[one["blank"]] == "wrong", one
        told = [cause.what for cause in result.causes if cause.blank == one["blank"]]
        assert any(one["cause"] in what for what in told), f"{one}: {told}"
