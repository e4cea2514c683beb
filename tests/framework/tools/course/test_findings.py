"""`firstlight check` judges a wrong backward against the solution's own forward."""

from course_answers import RIGHT, filled

from firstlight.tools.course.cut import exercise_text
from firstlight.tools.course.exercise import exercise
from firstlight.tools.course.judge import judge


def backward_cause(folder, name, style, *edits):
    """Return the cause of backward in a right answer with edits."""
    answer = (RIGHT / f"{name}_{style}.py").read_text()
    for right, wrong in edits:
        assert answer.count(right) == 1, right
        answer = answer.replace(right, wrong)
    task = exercise(name)
    path, text = folder / f"{name}.py", filled(exercise_text(task), answer)
    path.write_text(text, encoding="utf-8")
    causes = judge(text, path, task, 3).causes
    return next(one for one in causes if one.blank.endswith(".backward"))


def test_a_backward_that_fits_a_wrong_forward_is_a_consequence(tmp_path):
    cause = backward_cause(tmp_path, "layernorm", "chain", ("+ self.eps)", "+ 3 * self.eps)"))
    assert cause.what == "is wrong as a consequence of the mistake in LayerNorm.forward"


def test_a_wrong_line_is_found_and_mended(tmp_path):
    edit = "np.sum(dy, axis=tuple(axes))", "np.sum(0.7 * dy, axis=tuple(axes))"
    cause = backward_cause(tmp_path, "linear", "vectorised", edit)
    assert "all gradients agree with forward" in cause.what
    assert cause.how.startswith("the line should be: ")
    assert cause.line
