"""Every exercise: its blanks, its solution, its known mistakes, right answers in other styles."""

import ast

import pytest
from course_answers import answers, filled, wrong_answers

from firstlight.tools.course.cut import exercise_text, solution_text
from firstlight.tools.course.exercise import NAMES, exercise
from firstlight.tools.course.judge import judge_outcome
from firstlight.tools.course.run import computed, of_mistakes, with_mistake
from firstlight.tools.language import LANGUAGES, speaking

SEED = 3


@pytest.fixture(params=NAMES)
def task(request):
    return exercise(request.param)


def judged(task, text, seed=SEED):
    return judge_outcome(computed(task, text, seed), text, task, seed)


def blanks_of(text):
    """Yield the names of functions and methods whose body ends with NotImplementedError."""
    for node in ast.parse(text).body:
        for one in [node, *getattr(node, "body", [])]:
            if isinstance(one, ast.FunctionDef) and "NotImpl" in ast.unparse(one.body[-1]):
                yield one.name if one is node else f"{node.name}.{one.name}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_exercise_has_its_blanks(task, language):
    with speaking(language):
        assert set(blanks_of(exercise_text(task))) == set(task.blanks)


def test_an_exercise_is_empty_at_first(task):
    result = judged(task, exercise_text(task))
    assert result.status == "empty"
    assert result.parts[task.blanks[0]] == "empty"
    assert result.causes == []


def test_the_solution_is_right(task):
    for seed in range(5):
        result = judged(task, solution_text(task), seed)
        assert (result.status, result.causes) == ("right", [])


@pytest.mark.slow
def test_each_mistake_is_told_by_its_own_sentence(task):
    text = solution_text(task)
    for known, outcome in of_mistakes(task, SEED):
        wrong = with_mistake(text, known)
        result = judge_outcome(outcome, wrong, task, SEED)
        told = [(cause.what, cause.how) for cause in result.causes]
        assert (known.what[0], known.how[0]) in told, f"{known.edits}: {result.causes}"


def test_texts_are_english_and_german(task):
    texts = [task.title, task.task]
    texts += [known.what for known in task.mistakes]
    for english, german in texts:
        assert english != german
    for english, german in [*texts, *(known.how for known in task.mistakes)]:  # some are formulas
        assert english
        assert german
    whats = [known.what for known in task.mistakes]
    assert len(set(whats)) == len(whats), "two mistakes of one sentence"


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_of_other_styles_are_right(name):
    task = exercise(name)
    for path in answers(name):
        result = judged(task, filled(exercise_text(task), path.read_text()))
        assert (path.stem, result.status, result.causes) == (path.stem, "right", [])


@pytest.mark.slow
def test_wrong_answers_are_wrong_where_they_were_changed(task):
    for edit, text, changed, cause in wrong_answers(task):
        result = judged(task, text)
        assert result.status == "wrong", edit
        seen = changed | {name.replace(".forward", ".backward") for name in changed}  # if saved
        assert result.causes[0].blank in seen or changed.isdisjoint(task.blanks), edit
        assert any(cause in one.what for one in result.causes), f"{edit}: {result.causes}"
