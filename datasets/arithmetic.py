"""arithmetic: problems of addition, sorting, reversal and copying, for language models."""

from typing import Any, Literal

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.data.tokenizers import CharTokenizer
from firstlight.datasets.text import IGNORE
from firstlight.support import rng as randomness
from firstlight.support.array import Array


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
    """Generate problems with digits, for a language model that learns to answer them.

    ========  =============  ================================================================
    addition  ``12+39=150``  from the last digit on, so that a carry is known when it is needed;
                             ``12+39=051`` without ``reverse``
    sorting   ``3142=1234``
    reversal  ``3142=2413``
    copy      ``3142=3142``
    ========  =============  ================================================================

    A sample is the whole line, x without its last character and y without its first one; targets
    before the answer are ignored by the loss. Training draws new problems for each batch, none of
    them from validation or test. Evaluations also report ``exact``, the share of problems whose
    answer is right in every digit.

    Parameters
    ----------
    task : {"addition", "sorting", "reversal", "copy"}
    digits : int
        Of each number that is added, or of the row to sort, reverse or copy.
    reverse : bool
        Write sums from the last digit to the first.
    val_size : int
        Problems to validate on.
    test_size : int
        Problems to test on.
    epoch_size : int
        New problems in an epoch.
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
        More problems to evaluate on than exist; numbers too long, or without digits.

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
    longest = 9 if task == "addition" else 18  # 64-bit integers number all problems
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
    kept = randomness.derived("split", seed).choice(count, val_size + test_size, replace=False)
    line, rng = (task, digits, reverse), randomness.derived("split", seed, 1)
    return DataSplits(
        train=FreshProblems(*line, count=count, kept=kept, epoch_size=epoch_size, rng=rng),
        val=Problems(*line, kept[:val_size]) if val_size else None,
        test=Problems(*line, kept[val_size:]) if test_size else None,
        name=f"arithmetic ({task})",
        batch_size=batch_size,
        tokenizer=_TOKENIZER,
    )


_TOKENIZER = CharTokenizer("0123456789+=")
_PLUS, _ZERO, _EQUALS = _TOKENIZER.encode("+0=")


class Problems:
    """A data set of the problems with certain numbers: the digits before the ``=``."""

    def __init__(self, task: str, digits: int, reverse: bool, numbers: Array) -> None:
        self._task, self._width, self._reverse = task, digits, reverse
        self.numbers: Array = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, indices: Array) -> tuple[Array, Array]:
        """Return the problems at an array of indices, ``(x, y)``, each of shape (N, L - 1)."""
        return self.batch(self.numbers[indices])

    def batch(self, numbers: Array) -> tuple[Array, Array]:
        """Return the problems with certain numbers, ``(x, y)``, each of shape (N, L - 1)."""
        if self._task == "addition":
            a, b = np.divmod(numbers, 10**self._width)  # (N,)
            answer = self._digits(a + b, self._width + 1)
            answer = answer[:, ::-1] if self._reverse else answer
            plus = np.full((len(numbers), 1), _PLUS)
            parts = [self._digits(a, self._width), plus, self._digits(b, self._width)]
        else:
            row = self._digits(numbers, self._width)  # (N, digits)
            change = {"sorting": np.sort, "reversal": np.fliplr, "copy": np.copy}[self._task]
            answer, parts = change(row), [row]
        equals = np.full((len(numbers), 1), _EQUALS)
        line = np.hstack([*parts, equals, answer])  # (N, L)
        x, y = line[:, :-1], line[:, 1:].copy()
        y[:, : -answer.shape[1]] = IGNORE
        return x, y

    def metrics(self, prediction: Array, batch: tuple[Array, ...]) -> dict[str, Array]:
        """Return ``{"exact": share of answers without an error}``.

        Each digit is predicted from the right ones before it. A model that writes digit after
        digit, always the most likely, gets the same answers right.
        """
        target = batch[1]
        right = (prediction.argmax(axis=-1) == target) | (target == IGNORE)  # (N, L - 1)
        return {"exact": right.all(axis=1).mean()}

    def _digits(self, numbers, width):
        powers = 10 ** np.arange(width - 1, -1, -1)
        return numbers[:, np.newaxis] // powers % 10 + _ZERO  # (N, width)


class FreshProblems(Problems):
    """Problems drawn for each batch from all ``count``, except those ``kept`` for evaluation."""

    def __init__(
        self, *line: Any, count: int, kept: Array, epoch_size: int, rng: np.random.Generator
    ) -> None:
        self._count, self._kept = count, kept
        super().__init__(*line, self._drawn(epoch_size, rng))

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return new problems, uniform over those that are not kept."""
        return self.batch(self._drawn(count, rng))

    def _drawn(self, size, rng):
        numbers = rng.integers(self._count, size=size)
        while (again := np.isin(numbers, self._kept)).any():
            numbers[again] = rng.integers(self._count, size=np.count_nonzero(again))
        return numbers
