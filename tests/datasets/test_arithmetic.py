"""arithmetic: right answers, problems kept for the test, exact matches."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.datasets import load
from firstlight.datasets.text import IGNORE


def lines(splits, batch):
    """Return the lines of a batch as text, and their answers alone."""
    decode = splits.tokenizer.decode
    whole = np.hstack([batch[0], batch[1][:, -1:]])
    return [(decode(line), decode(y[y != IGNORE])) for line, y in zip(whole, batch[1], strict=True)]


def expected(task, problem, reverse):
    if task == "addition":
        a, b = problem.split("+")
        total = str(int(a) + int(b)).zfill(len(a) + 1)
        return total[::-1] if reverse else total
    return {"sorting": "".join(sorted(problem)), "reversal": problem[::-1], "copy": problem}[task]


@pytest.mark.parametrize("task", ["addition", "sorting", "reversal", "copy"])
@pytest.mark.parametrize(("digits", "reverse"), [(2, True), (3, False), (9, True)])
def test_answers_are_right_and_the_loss_sees_nothing_else(task, digits, reverse):
    sizes = {"val_size": 20, "test_size": 30, "batch_size": 16, "epoch_size": 100}
    splits = load("arithmetic", task=task, digits=digits, reverse=reverse, **sizes)
    for split in ("train", "val", "test"):
        for batch in splits.loader(split):
            for line, answer in lines(splits, batch):
                problem, _, rest = line.partition("=")
                assert rest == answer == expected(task, problem, reverse)
                assert len(problem) == (2 * digits + 1 if task == "addition" else digits)


def problems(splits, split):
    """Return all that stands before an equals sign in one epoch."""
    batches = splits.loader(split)
    return {line.partition("=")[0] for batch in batches for line, _ in lines(splits, batch)}


def test_what_is_tested_is_never_trained_on():
    splits = load("arithmetic", digits=1, val_size=20, test_size=30, batch_size=50)
    val, test, train = (problems(splits, split) for split in ("val", "test", "train"))
    assert (len(val), len(test), len(train)) == (20, 30, 50)  # all others do come
    assert len(val | test | train) == 100
    fixed = splits.train[np.arange(1000)]
    assert {line.partition("=")[0] for line, _ in lines(splits, fixed)} == train
    again = load("arithmetic", digits=1, val_size=20, test_size=30)
    assert problems(again, "test") == test
    other = load("arithmetic", digits=1, val_size=20, test_size=30, seed=1)
    assert problems(other, "test") != test


def test_each_batch_is_new_and_the_same_each_time():
    def epochs():
        loader = load("arithmetic", digits=4, batch_size=8, epoch_size=24).loader("train")
        return [x.tolist() for _ in range(2) for x, _ in loader]

    first = epochs()
    assert len({str(x) for x in first}) == 6
    assert epochs() == first


class Fixed(fl.Module):
    """Predicts what it is given."""

    def __init__(self, splits, wrong):
        self.loss, self.splits, self.wrong = fl.nn.CrossEntropyLoss(), splits, wrong
        self.done = 0

    def forward(self, x):
        y = self.splits.test[np.arange(self.done, self.done + len(x))][1]
        scores = 10.0 * np.eye(12, dtype="float32")[np.where(y == IGNORE, 0, y)]  # (N, T, 12)
        for row, place in self.wrong:
            if self.done <= row < self.done + len(x):
                scores[row - self.done, place] = -scores[row - self.done, place]
        self.done += len(x)
        return scores


@pytest.mark.parametrize(
    ("wrong", "exact"),
    [([], 1), ([(3, -1)], 0.98), ([(3, -1), (3, -2), (49, -3)], 0.96), ([(3, 0), (4, 1)], 1)],
)
def test_exact_counts_problems_without_an_error(quiet, wrong, exact):
    splits = load("arithmetic", val_size=0, test_size=50, batch_size=16)
    assert splits.val is None
    metrics = fl.Trainer(**quiet).test(Fixed(splits, wrong), splits)
    assert metrics["test_exact"] == pytest.approx(exact)
    answers = sum(place < 0 for _, place in wrong)
    assert metrics["test_acc"] == pytest.approx(1 - answers / 150)


def test_a_model_gets_its_sizes(quiet):
    splits = load("arithmetic")
    assert repr(splits) == (
        "DataSplits(arithmetic (addition): 12800 train, 500 val, 1000 test; x (8,), 12 tokens)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"digits": 0}, "arithmetic: expected digits from 1 to 9, got 0"),
        ({"digits": 10}, "arithmetic: expected digits from 1 to 9, got 10"),
        ({"task": "copy", "digits": 19}, "arithmetic: expected digits from 1 to 18, got 19"),
        ({"digits": 1}, "val_size=500 and test_size=1000 leave none of the 100 problems of addi"),
        ({"val_size": -1}, "val_size and test_size of 0 or more, .* got -1, 1000 and 12800"),
        ({"epoch_size": 99}, r"an epoch_size of one batch .128. or more, got 500, 1000 and 99"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        load("arithmetic", **arguments)
