"""What `firstlight data describe` finds in data, and its pictures of columns and windows."""

import numpy as np
import pytest

from firstlight import DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets import from_series, from_table, load
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.data_findings import HEAD, column_rows, findings
from firstlight.tools.data_pictures import picture


def splits(change=None, size=(60, 20, 20)):
    """Return splits of random rows and labels, after a change of their arrays."""
    rng = np.random.default_rng(0)
    parts = {}
    for split, count in zip(("train", "val", "test"), size, strict=True):
        parts[split] = [rng.normal(size=(count, 3)), np.arange(count) % 2]
    if change is not None:
        change(parts)
    parts = {split: tuple(arrays) for split, arrays in parts.items()}
    return DataSplits(**parts, classes=["no", "yes"], info={"columns": ["a", "b", "c"]})


def leak(parts):
    parts["test"][0][3:5] = parts["train"][0][7:9]
    parts["test"][1][3:5] = [0, 0]


def repeat(parts):
    parts["train"][0][10:13] = parts["train"][0][20]


def give_away(parts):
    parts["train"][0][:, 1] = 5 - parts["train"][1]


def lack(parts):
    parts["val"][1][:] = 0


def unbalance(parts):
    parts["train"][1] = np.arange(60) // 55


def fix(parts):
    parts["train"][0][:, 2] = 7


def number_rows(parts):
    parts["train"][0][:, 0] = np.arange(60)


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (None, []),
        (leak, ["leak: 2 samples of test also in train, 1 of them with another target"]),
        (repeat, ["duplicates: 3 samples of train more than once in train"]),
        (give_away, ["leak: b alone determines the target; drop it if it is not known before"]),
        (lack, ["no sample of val has the class yes"]),
        (
            unbalance,
            [
                "rare in train: yes (5)",
                "classes are not balanced: 92% of train are no, so a model that always says so has",
            ],
        ),
        (fix, ["the same in all of train: c"]),
        (number_rows, ["a rises from row to row: drop it if it only numbers the rows"]),
    ],
)
def test_a_seeded_fault_is_named_and_nothing_else(fault, wanted):
    found = findings(splits(fault))
    assert len(found) == len(wanted), found
    for line, start in zip(found, wanted, strict=True):
        assert line.startswith(start)


def test_a_target_that_is_an_input_of_a_regression():
    x = np.random.default_rng(0).normal(size=(50, 2))
    data = DataSplits((x, 3 * x[:, 1:] + 1), info={"columns": ["a", "b"]})
    assert findings(data) == [
        "leak: b alone determines the target; drop it if it is not known before"
    ]


def test_images():
    x = np.random.default_rng(0).integers(0, 9, (40, 4, 4, 3)).astype("uint8")
    x[5], x[6] = 0, 8
    data = DataSplits(
        (x[:30], np.arange(30) % 2), val=(x[30:], np.arange(10) % 2), transform=Scale()
    )
    assert findings(data) == ["2 samples of train have one value in all pixels"]
    assert column_rows(data)[1] == ("channel 0", "numbers", "-", "0 ... 4 ... 8", "-")
    assert len(column_rows(data)) == 4


def table():
    rng = np.random.default_rng(1)
    age = [None if gap else float(n) for n, gap in enumerate(rng.random(100) < 0.2)]
    return {
        "age": rng.permutation(np.array(age, "O")).tolist(),
        "fare": np.append(rng.normal(20, 2, 99), 500.0).tolist(),
        "when": np.datetime64("2024-01-01") + rng.integers(0, 366, 100),
        "port": rng.choice(["S", "C"], 100, p=[0.75, 0.25]).tolist(),
        "cabin": [f"C{n}" if n % 3 else None for n in range(100)],
        "won": [0, 1] * 50,
    }


@pytest.mark.parametrize("encode", ["onehot", "index"])
def test_columns_of_a_table(encode):
    data = from_table(table(), encode=encode, val_size=0, test_size=0)
    head, age, fare, when, port, cabin = column_rows(data)
    assert head == HEAD
    gaps = sum(value is None for value in table()["age"])
    assert (age[:3], fare[0]) == (("age", "numbers", f"{gaps}.0%"), "fare")
    assert fare[3].endswith("... 500")
    assert fare[4] == "1"
    assert when[1:4] == ("dates", "-", f"{min(table()['when'])} ... {max(table()['when'])}")
    share = table()["port"].count("S")
    assert port[3] == f"S {share}%, C {100 - share}%"
    assert cabin[1:4] == ("words", "34.0%", "most occur once: only the gaps")
    figure = picture(data)
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert titles == ["age", "fare", "when", "port", "cabin"]


def test_pictures_of_windows_and_of_a_regression():
    data = from_series({"t": np.arange(100.0)}, window=5, horizon=2, val_size=0, test_size=0)
    axes = picture(data).axes[1]
    past, after = (line.get_ydata() for line in axes.lines)
    assert after.tolist() == [past[-1] + 1, past[-1] + 2]
    titles = [axes.get_title() for axes in picture(load("polynomial")).axes]
    assert titles == ["x0", "target"]
    with pytest.raises(UsageError, match="has no images to draw"):
        picture(load("text", block_size=8, tokenizer="byte", path=__file__))
