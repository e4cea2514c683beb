"""`firstlight check` judges a wrong backward against the solution's own forward."""

from course_answers import RIGHT, filled

from firstlight.tools.course.cut import exercise_text
from firstlight.tools.course.exercise import exercise
from firstlight.tools.course.judge import judge


def backward_cause(name, style, *edits):
    """Return the cause of backward in a right answer with edits."""
    answer = (RIGHT / f"{name}_{style}.py").read_text()
    for right, wrong in edits:
        assert answer.count(right) == 1, right
        answer = answer.replace(right, wrong)
    task = exercise(name)
    path = RIGHT / f"{name}_{style}.py"
    causes = judge(filled(exercise_text(task), answer), path, task, 3).causes
    return next(one for one in causes if one.blank.endswith(".backward"))


def test_a_backward_that_fits_a_wrong_forward_is_a_consequence():
    cause = backward_cause("layernorm", "chain", ("+ self.eps)", "+ 3 * self.eps)"))
    assert cause.what == "is wrong as a consequence of the mistake in LayerNorm.forward"


def test_a_wrong_line_is_found_and_mended():
    cause = backward_cause("batchnorm", "chain", ("dvar * 2 *", "dvar * 2 * 1.5 *"))
    assert "all gradients agree with forward" in cause.what
    assert cause.how.startswith("the line should be: ")
    assert cause.line
