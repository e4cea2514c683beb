"""Causes of wrong solutions that no known mistake explains."""

import numpy as np
import pytest

from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.differences import Difference, describe
from firstlight.tools.course.exercise import exercise
from firstlight.tools.course.judge import judge_outcome
from firstlight.tools.course.run import computed


def judged(name, right, wrong):
    """Return the judgement of a solution in which a text is replaced."""
    task = exercise(name)
    text = solution_text(task)
    assert text.count(right) == 1
    text = text.replace(right, wrong)
    return judge_outcome(computed(task, text, 3), text, task, 3)


@pytest.mark.slow
def test_a_wrong_output_is_told_rather_than_the_error_that_follows():
    result = judged("max_pooling", "        return y\n", "        y\n")
    assert result.causes[0].what == "y: is None; is a return missing?"


def test_an_error_before_the_first_wrong_output_is_told():
    result = judged("max_pooling", "        return y\n", "        return y.T @ dy\n")
    assert result.causes[0].what == "NameError: name 'dy' is not defined"


def test_an_error_in_a_right_blank_is_blamed_on_its_caller():
    text = "share = (step - warmup_steps) / (total_steps - warmup_steps)"
    result = judged("schedule", text, "share = None")
    assert (result.parts["_cosine_between"], result.parts["warmup_cosine"]) == ("right", "wrong")


def test_an_error_in_a_wrong_blank_is_not_blamed_on_its_caller():
    result = judged("schedule", "math.cos(math.pi * share)", "math.cos(math.pi * missing)")
    assert result.parts["_cosine_between"] == "wrong"
    assert result.parts["cosine"] == "unknown"


@pytest.mark.slow
def test_a_backward_that_may_be_right_points_at_its_wrong_forward():
    result = judged("layernorm", "x_hat = (x - mean) * r", "x_hat = (x - 3 * mean) * r")
    forward, backward = result.causes
    assert (forward.blank, forward.how) == ("LayerNorm.forward", "")
    assert backward.how == "mend LayerNorm.forward first; this may follow from it"


def test_a_property_is_not_told_as_a_number():
    no, yes = np.array(False), np.array(True)
    assert describe([Difference(no, yes, {})]) == "is not so"


def test_a_mask_of_infinities_is_told_without_a_warning():
    right = np.array([[0, -np.inf], [0, 0]])
    told = describe([Difference(np.ones((2, 2)), right, {})])
    assert told == "4 of 4 entries are wrong, the first at [0, 0]: 1, expected 0"


@pytest.mark.slow
def test_a_mistake_is_told_where_it_is_though_only_a_later_blank_proves_it():
    right = "            self.track(mean, var, n)\n"
    wrong = "            var *= n / (n - 1)\n            self.track(mean, var * (n - 1) / n, n)\n"
    forward, backward = judged("batchnorm", right, wrong).causes
    assert forward.blank == "BatchNorm.forward"
    assert forward.what == "x is divided by the unbiased standard deviation, with n - 1"
    assert backward.what == "is wrong as a consequence of the mistake in BatchNorm.forward"


def test_an_error_in_one_case_names_it():
    result = judged("linear", "dy_rows.T @ x_rows", "np.einsum('no,ni->oi', dy, x)")
    assert "(in the computation of dx (N, T, I); here, N = " in result.causes[0].what


def test_an_error_that_a_change_of_the_lesson_raises_too():
    result = judged("cross_entropy", "if np.ndim(dloss):", "if np.ndim(dloss) > 1:")
    assert result.causes[0].what == "the case `np.ndim(dloss)` is not handled"


def test_an_error_in_each_case_names_none():
    result = judged("linear", "dy_rows.T @ x_rows", "dy_rows @ x_rows")
    assert "in the computation" not in result.causes[0].what


def test_a_mistake_that_overflows_besides_is_told():
    result = judged(
        "cross_entropy", "g.sum(axis=-1, keepdims=True) * p", "(p + 0 / g.any(-1)[..., None])"
    )
    assert result.causes[0].what.startswith("p lacks the factor")


def test_a_property_in_words_is_told_as_it_should_be():
    result = judged("dropout", "else x * m * self.scale", "else (x * m * self.scale).astype(float)")
    assert result.causes[0].what == "y.dtype: is float64, expected float32"


def test_an_argument_of_numpy_that_changes_is_told():
    result = judged(
        "array_module", "    deviation = x.std", "    x -= x.mean(axis=0)\n    deviation = x.std"
    )
    assert result.causes[0].what.startswith("changes its argument")


def test_an_assigned_gradient_is_mended_by_adding():
    result = judged("linear", "self.weight.grad += dy_rows.T", "self.weight.grad = dy_rows.T")
    assert result.causes[0].how.endswith("self.weight.grad += …")


def test_rows_that_are_one_list_are_told():
    answer = "[[[0.0] * len(rows[0])] * len(rows) for rows in self.weights]"
    right = "[[[0.0] * len(row) for row in rows] for rows in self.weights]"
    result = judged("plain_python", right, answer)
    assert result.parts["PlainMLP.gradients"] == "wrong"


def test_a_gradient_that_passes_dropped_elements_is_told():
    wrong = "else dy * (m * self.scale + ~m)"
    result = judged("dropout", "else dy * m * self.scale", wrong)
    assert result.causes[0].what == "the gradient passes where y was set to 0"
