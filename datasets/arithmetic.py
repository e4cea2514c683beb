"""arithmetic: sums, sorting, reversing and copying, to be learned from examples alone."""

from typing import Literal

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.data.tokenizers import CharTokenizer
from firstlight.datasets.blocks import IGNORE
from firstlight.support import rng as randomness


def arithmetic(
    *,
    task: Literal["addition", "sorting", "reversal", "copy"] = "addition",
    digits: int = 2,
    reverse: bool = True,
    val_size: int = 500,
    test_size: int = 1000,
    epoch_size: int = 12_800,
    seed: int = 0,
    batch_size: int = 128,
) -> DataSplits:
    """Make problems with digits, whose answers a model is to write.

    ========  =============  ================================================================
    addition  ``12+39=150``  from the last digit on, so that a carry is known when it is needed;
                             ``12+39=051`` without ``reverse``
    sorting   ``3142=1234``
    reversal  ``3142=2413``
    copy      ``3142=3142``
    ========  =============  ================================================================

    A sample is the whole line, x without its last character and y without its first one; targets
    before the answer are those that the loss ignores. Training draws new problems for each batch,
    and never one that is kept for validation or test. Evaluations also tell ``exact``, the share
    of problems of whose answer every digit is right.

    Parameters
    ----------
    task : {"addition", "sorting", "reversal", "copy"}
    digits : int
        Of each number that is added, or of the row to sort, reverse or copy.
    reverse : bool
        Write sums from the last digit to the first.
    val_size : int
        How many problems to validate on.
    test_size : int
        How many problems to test on.
    epoch_size : int
        How many problems, all of them new, to call an epoch.
    seed : int
        Chooses the problems for validation and test.
    batch_size : int
        Problems in a batch.

    Returns
    -------
    DataSplits

    Raises
    ------
    ValueError
        More problems kept than there are; numbers too long, or without digits.

    Notes
    -----
    A small GPT learns two-digit sums to the last one in half a minute on two cores::

        firstlight fit --model gpt --model.n_layer 2 --model.n_embd 64 --model.lr 3e-3
            --data arithmetic --trainer.max_epochs 10
        firstlight generate --prompt "57+68=" --max_new_tokens 3 --temperature 0

    References
    ----------
    Lee et al., "Teaching Arithmetic to Small Transformers", 2023, section 3 (on reversed sums).

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> splits = load("arithmetic", digits=2)
    >>> x, y = next(iter(splits.loader("test")))
    >>> splits.tokenizer.decode(x[0]), y[0].tolist()
    ('20+19=93', [-100, -100, -100, -100, -100, 10, 4, 1])
    """
    longest = 9 if task == "addition" else 18  # what 64 bits can number
    if not 1 <= digits <= longest:
        raise ValueError(f"arithmetic: expected digits from 1 to {longest}, got {digits}")
    if min(val_size, test_size) < 0 or epoch_size < batch_size:
        raise ValueError(
            "arithmetic: expected val_size and test_size of 0 or more, and an epoch_size of one "
            f"batch ({batch_size}) or more, got {val_size}, {test_size} and {epoch_size}"
        )
    count = 10 ** (2 * digits if task == "addition" else digits)
    if val_size + test_size >= count:
        raise ValueError(
            f"arithmetic: val_size={val_size} and test_size={test_size} leave none of the {count} "
            f"problems of {task} with digits={digits} to train on; make them smaller"
        )
    rng = randomness.derived("split", seed)
    kept = rng.choice(count, val_size + test_size, replace=False)
    lines = Lines(task, digits, reverse)
    return DataSplits(
        train=FreshProblems(lines, count, kept, epoch_size, seed),
        val=Problems(lines, kept[:val_size]) if val_size else None,
        test=Problems(lines, kept[val_size:]) if test_size else None,
        name=f"arithmetic ({task})",
        batch_size=batch_size,
        tokenizer=lines.tokenizer,
    )


class Lines:
    """Write problems, given by their numbers, as tokens.

    Every problem has a number: the digits of what stands before the ``=``.
    """

    tokenizer = CharTokenizer("0123456789+=")
    plus, zero, equals = tokenizer.encode("+0=")

    def __init__(self, task, digits, reverse):
        self.task, self.digits, self.reverse = task, digits, reverse

    def __call__(self, numbers):
        """Return ``(tokens, start)``: a line (N, L) for each number, and where answers start."""
        if self.task == "addition":
            a, b = np.divmod(numbers, 10**self.digits)  # (N,)
            answer = self._digits(a + b, self.digits + 1)
            answer = answer[:, ::-1] if self.reverse else answer
            plus = np.full((len(numbers), 1), self.plus)
            parts = [self._digits(a, self.digits), plus, self._digits(b, self.digits)]
        else:
            row = self._digits(numbers, self.digits)  # (N, digits)
            change = {"sorting": np.sort, "reversal": np.fliplr, "copy": np.copy}[self.task]
            answer, parts = change(row), [row]
        equals = np.full((len(numbers), 1), self.equals)
        line = np.hstack([*parts, equals, answer])  # (N, L)
        return line, line.shape[1] - answer.shape[1]

    def _digits(self, numbers, width):
        powers = 10 ** np.arange(width - 1, -1, -1)
        return numbers[:, np.newaxis] // powers % 10 + self.zero  # (N, width)


class Problems:
    """A data set of the problems of certain numbers."""

    def __init__(self, lines, numbers):
        self.lines, self.numbers = lines, numbers

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, indices):
        """Return the problems at an array of indices, ``(x, y)``, each of shape (N, L - 1)."""
        return self._batch(self.numbers[indices])

    def metrics(self, prediction, batch):
        """Return ``{"exact": share of answers without an error}``.

        Each digit is predicted from the right ones before it; a model that writes digit after
        digit, always the likeliest, gets the same answers right.
        """
        target = batch[1]
        right = (prediction.argmax(axis=-1) == target) | (target == IGNORE)  # (N, L - 1)
        return {"exact": right.all(axis=1).mean()}

    def _batch(self, numbers):
        line, start = self.lines(numbers)  # (N, L)
        x, y = line[:, :-1], line[:, 1:].copy()
        y[:, : start - 1] = IGNORE
        return x, y


class FreshProblems(Problems):
    """Problems drawn anew for each batch, of ``count`` that there are but for those ``kept``."""

    def __init__(self, lines, count, kept, epoch_size, seed):
        self.count, self.kept = count, kept
        super().__init__(lines, self._numbers(epoch_size, randomness.derived("split", seed, 1)))

    def draw(self, count, rng):
        """Return so many problems, each that is not kept as likely as any other."""
        return self._batch(self._numbers(count, rng))

    def _numbers(self, size, rng):
        numbers = rng.integers(self.count, size=size)
        while (again := np.isin(numbers, self.kept)).any():
            numbers[again] = rng.integers(self.count, size=np.count_nonzero(again))
        return numbers
