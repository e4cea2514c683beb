"""Mutations: causes that no list of mistakes has, found by what the changed lesson computes."""

import pytest

from firstlight.tools.course import exercise
from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.judge import judge_outcome
from firstlight.tools.course.mutations import mutations
from firstlight.tools.course.run import computed
from firstlight.tools.language import speaking

CASES = [  # exercise, the lesson's text, what stands in its place, the cause
    (
        "adam",
        "v[...] = beta2 * v + (1 - beta2) * g**2",
        "v[...] = beta2 + (1 - beta2) * g**2",
        "in the computation of `v`, the factor `v` is missing",
    ),
    (
        "layernorm",
        "self.bias.grad += dy.sum(axis=rows)",
        "self.bias.grad[...] = self.bias.grad - np.add.reduce(dy, axis=rows)",
        "in the computation of `self.bias.grad`, the sign of `dy.sum(axis=rows)` is wrong",
    ),
    (
        "convolution",
        "n, h, w, c = x.shape\n    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride",
        "n, h, w, c = x.shape\n    (kh, kw), (sw, sh), (dh, dw) = window.kernel, window.stride",
        "in the computation of `((kh, kw), (sh, sw), (dh, dw))`, `sh` and `sw` are exchanged",
    ),
    (
        "cross_entropy",
        "nll = np.log(np.exp(x).sum(axis=-1, keepdims=True)) - x",
        "nll = x + np.log(np.einsum('...c->...', np.exp(x)))[..., None]",
        "in the computation of `nll`, `+` stands in place of `-`",
    ),
    (
        "sgd",
        'g = g + momentum * b if group["nesterov"] else b',
        'g = b + momentum * g if group["nesterov"] else b',
        "in the computation of `g`, `b` and `g` are exchanged",
    ),
    (
        "adam",
        "v[...] = beta2 * v + (1 - beta2) * g**2",
        "v[...] = beta1 * v + (1 - beta1) * g**2",
        "in the computation of `v`, `beta1` stands in place of `beta2`",
    ),
]


def causes(name, right, wrong):
    task = exercise(name)
    text = solution_text(task)
    assert text.count(right) == 1
    text = text.replace(right, wrong)
    return judge_outcome(computed(task, text, 5), text, task, 5).causes


@pytest.mark.slow
@pytest.mark.parametrize(("name", "right", "wrong", "said"), CASES)
def test_a_cause_that_no_list_has(name, right, wrong, said):
    (cause, *_) = causes(name, right, wrong)
    assert cause.what == said
    assert cause.how.startswith("compare with the lesson: `")
    assert cause.target


def test_german():
    with speaking("de"):
        (cause,) = causes(*CASES[0][:3])
    assert cause.what == "bei der Berechnung von `v` fehlt der Faktor `v`"


def test_mutations_differ_from_the_lesson_and_from_each_other():
    texts = [one.text for one in mutations(exercise("linear"), "Linear.backward")]
    assert len(set(texts)) == len(texts) > 20
    assert not any('"""' in text for text in texts)
