"""csv: columns, classes, headers, and errors with line numbers."""

import numpy as np
import pytest

from firstlight.datasets import load


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        (tmp_path / "t.csv").write_text(text, encoding=encoding)
        return tmp_path / "t.csv"

    return write


def whole(path, **arguments):
    """Load a file into one split, without scaling."""
    arguments = {"val_size": 0, "test_size": 0, "standardize": False, **arguments}
    splits = load(path, **arguments)
    return (*splits.train.arrays, splits)


def test_words_in_the_target_column_are_classes(write):
    x, y, splits = whole(write("width,height,kind\n1,2,pear\n3,4.5,apple\n5,6e1,pear\n"))
    np.testing.assert_array_equal(x, np.array([[1, 2], [3, 4.5], [5, 60]], "float32"))
    assert (y.tolist(), splits.classes) == ([1, 0, 1], ["apple", "pear"])
    assert splits.info == {"columns": ["width", "height"], "target": "kind"}
    assert (splits.name, splits.input_shape) == ("t", (2,))


def test_whole_numbers_are_classes_under_their_own_names(write):
    _, y, splits = whole(write("1,10\n2,-1\n3,2\n4,10\n"))
    assert (y.tolist(), splits.classes) == ([2, 0, 1, 2], ["-1", "2", "10"])


def test_other_numbers_are_a_regression(write):
    _, y, splits = whole(write("a,b\n1,10\n2,1.5\n"))
    assert (y.tolist(), y.dtype, splits.classes) == ([[10], [1.5]], np.float32, None)
    _, y, splits = whole(write("a,b\n1,10\n2,20\n"), regression=True)
    assert (y.tolist(), splits.classes) == ([[10], [20]], None)


@pytest.mark.parametrize("target", ["b", 1, "1", -2, "-2"])
def test_the_target_by_name_or_number(write, target):
    x, y, splits = whole(write("a,b,c\n1,x,2\n3,y,4\n"), target=target)
    assert x.tolist() == [[1, 2], [3, 4]]
    assert (y.tolist(), splits.info["columns"]) == ([0, 1], ["a", "c"])


def test_headers(write):
    path = write("1,2\n3,4\n")
    assert len(whole(path)[0]) == 2
    assert len(whole(path, header=True)[0]) == 1
    assert len(whole(write("5.1,3.5,setosa\n4,5,virginica\n"))[0]) == 2  # data, as it has numbers


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separators_blank_lines_byte_order_mark_and_quotes(write, mark):
    text = f'"a"{mark}b\n\n 1{mark} no \n2{mark}"yes"\n'
    x, y, splits = whole(write(text, "utf-8-sig"))
    assert (x.tolist(), y.tolist()) == ([[1], [2]], [0, 1])
    assert (splits.classes, splits.info["columns"]) == (["no", "yes"], ["a"])


def test_inputs_are_standardized_by_the_training_rows(write):
    rows = np.random.default_rng(0).normal([5, -3], [10, 0.1], (200, 2))
    path = write("\n".join(f"{a},{b},7,{i % 2}" for i, (a, b) in enumerate(rows)))
    splits = load(path, test_size=0.5, batch_size=80)
    x = np.concatenate([x for x, _ in splits.loader("train")])
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), [1, 1, 0], atol=1e-5)  # a constant column stays 0
    (x_test, _), *_ = splits.loader("test")
    assert 0 < abs(x_test[:, 0].mean()) < 0.5  # by the training rows' mean, not its own


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty: expected a line for each sample"),
        ("a,b\n", "t.csv is empty: it has a header, and no line for a sample"),
        ("a,b\n1,2\n3\n", r"t.csv, line 3: expected 2 cells, got 1"),
        ("a,b\n1,2\n\n3,4,5\n", r"t.csv, line 4: expected 2 cells, got 3"),
        (
            "a,b\n1,2\nx,4\n" + "1,4\n" * 3,
            r"t.csv, line 3, column a: expected a number, got 'x'; correct it, or say words=a if",
        ),
        ("a,b\n1,2\n-inf,4\n,4\n", r"t.csv, line 3, column a: expected a number, got '-inf'"),
        ("a,b\n1,2\n1,\n", r"t.csv, line 3, column b: the target is missing"),
        ("a,b\n1,2.5\n1,inf\n", r"t.csv, line 3, column b: expected a number, got 'inf'"),
        ("a\n1\n", r"expected two or more columns, got \['a'\]"),
    ],
)
def test_tables_that_cannot_be_read(write, text, message):
    with pytest.raises(ValueError, match=message):
        load(write(text))


@pytest.mark.parametrize("target", ["d", 2, -3, "7"])
def test_columns_that_are_not_there(write, target):
    message = f"t.csv: there is no column {target!r}; the columns are a, b"
    with pytest.raises(ValueError, match=message):
        load(write("a,b\n1,2\n"), target=target)


def test_words_where_a_regression_needs_numbers(write):
    with pytest.raises(ValueError, match="line 2, column b: expected a number, got 'dog'"):
        load(write("a,b\n1,dog\n"), regression=True)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"csv: there is no file .*none.csv"):
        load(tmp_path / "none.csv")
