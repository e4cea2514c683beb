"""csv: what real files have in them is read right, or refused with file, line and cure."""

import numpy as np
import pytest

from firstlight.datasets import load


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        (tmp_path / "t.csv").write_bytes(text.encode(encoding))
        return tmp_path / "t.csv"

    return write


def whole(path, **arguments):
    """Load a file into one split, without scaling."""
    arguments = {"val_size": 0, "test_size": 0, "standardize": False, **arguments}
    splits = load(path, **arguments)
    return (*splits.train.arrays, splits)


def rows(*cells, count=6):
    return "".join(f"{cells[i % len(cells)]}\n" for i in range(count))


# --- header --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "width,2020,kind\n" + rows("1,2,a", "3,4,b"),
        "x1,2,price\n" + rows("1,2,0.5", "3,4,2.25"),
        "2019,price\n" + rows("1,0.5", "3,2.25"),
        "1,a name,3\n" + rows("0.5,2,a", "1.5,4,b"),
    ],
)
def test_a_header_that_contains_a_number(write, text):
    x, y, splits = whole(write(text))
    assert len(x) == 6
    names = text.partition("\n")[0].split(",")
    assert [*splits.info["columns"], splits.info["target"]] == names
    assert (splits.classes is None) == ("price" in names)


def test_what_may_be_a_header_or_a_sample_is_asked(write):
    path = write("2019,2020,kind\n" + rows("1,2,a", "3,4,b"))
    with pytest.raises(
        ValueError, match=r"t.csv, line 1: 2019, 2020, kind may be .* header=true or"
    ):
        load(path)
    assert whole(path, header=True)[2].classes == ["a", "b"]
    assert whole(path, header=False)[2].classes == ["a", "b", "kind"]
    assert len(whole(write(rows("1,2,a", "3,4,b")))[0]) == 6  # "a" stands below too


def test_a_missing_value_in_the_first_line_makes_it_no_header(write):
    splits = whole(write(",2,a\n" + rows("1,2,a", "3,4,b")))[2]
    assert splits.train.arrays[0][0].tolist() == [2, 1, 2]  # the median, and that it is missing


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b,a", "t.csv, line 1: two columns are called 'a'; give each a name of its own"),
        (",b,kind", r"t.csv, line 1: column 0 has no name; .* \(pandas: index=False\), or say"),
    ],
)
def test_columns_need_names_of_their_own(write, header, message):
    with pytest.raises(ValueError, match=message):
        load(write(f"{header}\n" + rows("1,2,a", "3,4,b")), header=True)


def test_columns_can_be_chosen(write):
    path = write("id,a,b,kind\n" + rows("n1,1,2,p", "n2,3,4,q"))
    assert whole(path)[2].info["features"] == ["id=n1", "id=n2", "a", "b"]
    assert whole(path, drop=("id",))[2].info == {"columns": ["a", "b"], "target": "kind"}
    x, _, splits = whole(path, columns=("b", "a"))
    assert x[:2].tolist() == [[2, 1], [4, 3]]
    assert splits.info["columns"] == ["b", "a"]
    with pytest.raises(ValueError, match="there is no column 'c'; the columns are id, a, b, kind"):
        load(path, columns=("c",))
    with pytest.raises(ValueError, match="column kind is the target, and no input"):
        load(path, columns=("a", "kind"))


# --- quotes, marks, decimals, encodings ----------------------------------------------------------


def test_marks_inside_quotes(write):
    x, y, splits = whole(write('"a, in mm",kind\n' + rows('1,"pear, ripe"', '2,"say ""no"""')))
    assert splits.info["columns"] == ["a, in mm"]
    assert splits.classes == ["pear, ripe", 'say "no"']
    text = '"a,b";"c,d";kind\n' + rows("1;2;x", "3;4;y")
    assert whole(write(text))[2].info["columns"] == ["a,b", "c,d"]


@pytest.mark.parametrize("line", [2, 5, 60])
@pytest.mark.parametrize("cells", ['1,"pear', '"1,pear', '1,pe"ar'])
def test_a_stray_quote_is_named_where_it_is(write, line, cells):
    lines = ["a,kind", *["1,pear", "2,plum"] * 50]
    lines[line - 1] = cells
    with pytest.raises(
        ValueError, match=f"line {line}: a quote is opened and not closed in .*; wri"
    ):
        load(write("\n".join(lines)))


def test_decimal_commas(write):
    path = write("a;b;kind\n" + rows("1,5;2;x", "3;4,25;y"))
    with pytest.raises(
        ValueError, match=r"line 2, column a: expected a number, got '1,5'; for deci"
    ):
        load(path)
    assert whole(path, decimal=",")[0][:2].tolist() == [[1.5, 2], [3, 4.25]]
    x, y, splits = whole(write("1,5;2,5\n3,5;4,5\n" * 3), decimal=",")
    assert (x[0].tolist(), y[0].tolist(), splits.classes) == ([1.5], [2.5], None)
    with pytest.raises(ValueError, match=r"line 2, column a: expected a number, got '1.234,5'"):
        load(write("a;kind\n" + rows("1.234,5;x", "1;y")), decimal=",")
    x, _, _ = whole(write('a,kind\n"1,5",x\n"2,5",y\n'), decimal=",")
    assert x.tolist() == [[1.5], [2.5]]


def test_other_encodings(write):
    text = "größe,art\n" + rows("1,süß", "2,herb")
    path = write(text, "latin-1")
    with pytest.raises(
        ValueError, match=r"line 1: byte 0xf6 is not text in utf-8.*; save .*latin-1"
    ):
        load(path)
    for encoding in ("latin-1", "utf-16", "utf-8"):
        splits = whole(write(text, encoding), encoding=encoding)[2]
        assert (splits.info["columns"], splits.classes) == (["größe"], ["herb", "süß"])
    with pytest.raises(ValueError, match="there is no encoding 'latein'"):
        load(path, encoding="latein")
    for encoding in ("utf-16", "utf-32"):
        with pytest.raises(ValueError, match=r"t.csv.*: .*not text in utf-8|line 1: byte 0x"):
            load(write(text, encoding))


def test_lines_that_hold_nothing_count_but_are_no_samples(write):
    path = write("a,kind\r\n\r\n1,x\r\n , \r\n2,y\r\n,\r\n3\r\n")
    with pytest.raises(
        ValueError, match=r"line 7: expected 2 cells, got 1; cells are separated by"
    ):
        load(path)


@pytest.mark.parametrize("row", [0, 99, 100, 4999])
def test_a_bad_cell_is_named_wherever_it_is(write, row):
    for bad, column in (("x,1,p", "a"), ("1,inf,p", "b"), ("1,1,", "kind"), ("1,1_0,p", "b")):
        lines = ["1.5,2.5,p"] * 5000
        lines[row] = bad
        path = write("a,b,kind\n" + "\n".join(lines))
        with pytest.raises(ValueError, match=rf"t.csv, line {row + 2}, column {column}: "):
            load(path)


# --- numbers -------------------------------------------------------------------------------------


def test_unix_seconds_are_standardized_before_they_are_rounded(write):
    seconds = 1_700_000_000 + np.arange(100)
    path = write("t,kind\n" + "".join(f"{s},{'ab'[s % 2]}\n" for s in seconds))
    splits = load(path, val_size=0, test_size=0)
    x = splits.train[:][0][:, 0]
    assert len(np.unique(x)) == 100
    np.testing.assert_allclose(x, (seconds - seconds.mean()) / seconds.std(), rtol=1e-6)
    with pytest.raises(ValueError, match="only 2 of 100 different numbers near 1.7e.09"):
        load(path, standardize=False)


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1.0, 1e20, 1e300])
def test_columns_of_any_size_are_standardized(write, scale):
    values = scale * np.random.default_rng(0).normal(2, 1, 50)
    lines = [f"{v!r},0.1,{'ab'[i % 2]}\n" for i, v in enumerate(values.tolist())]
    path = write("t,c,kind\n" + "".join(lines))
    x = load(path, val_size=0, test_size=0).train[:][0]
    values = values / scale
    np.testing.assert_allclose(x[:, 0], (values - values.mean()) / values.std(), rtol=1e-5)
    assert not x[:, 1].any()  # a constant column is 0, not its rounding errors over their deviation


@pytest.mark.parametrize("cells", [("1.0", "0.0"), ("1.", "2"), ("3.00", "4")])
def test_whole_numbers_with_a_point_are_asked_about(write, cells):
    path = write("a,kind\n" + rows(f"1,{cells[0]}", f"2,{cells[1]}"))
    with pytest.raises(
        ValueError, match="t.csv, column kind: .* may be class labels or amounts: say"
    ):
        load(path)
    assert whole(path, regression=True)[2].classes is None
    assert whole(path, regression=False)[2].classes == sorted(cells)


def test_numbers_that_are_spelled_in_two_ways_are_not_merged(write):
    path = write("a,zip\n" + rows("1,01", "2,1", "3,2"))
    with pytest.raises(
        ValueError, match="column zip: 01 and 1 are the same number; spell it alike"
    ):
        load(path)
    assert whole(write("a,zip\n" + rows("1,01", "2,10")))[2].classes == ["01", "10"]


def test_many_different_whole_numbers_are_asked_about(write):
    path = write("a,price\n" + "".join(f"1.5,{i}000\n" for i in range(50)))
    with pytest.raises(
        ValueError, match="column price: 50 different whole numbers as targets in 50 s"
    ):
        load(path)
    assert whole(path, regression=True)[1].shape == (50, 1)
    assert len(whole(path, regression=False)[2].classes) == 50


# --- the same table in many spellings ------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_every_spelling_of_a_table_is_the_same_table(write, seed):
    rng = np.random.default_rng(seed)
    count, width = int(rng.integers(2, 150)), int(rng.integers(1, 5))
    x = rng.normal(size=(count, width)) * 10.0 ** rng.integers(-9, 9, width)
    names = rng.permutation(["pear", "a,b", "c;d", 'say "x"', "größe", "n 1", "2x"])[:3]
    kinds = names[np.arange(count) % 3]
    mark = rng.choice([",", ";", "\t", "|"])
    decimal = "," if mark == ";" and rng.random() < 0.5 else "."
    end, byte_order = rng.choice(["\n", "\r\n"]), rng.random() < 0.3
    quote_all = rng.random() < 0.3

    def cell(text):
        if quote_all or any(c in text for c in f'"{mark}'):
            text = '"' + text.replace('"', '""') + '"'
        return text

    def line(cells):
        return mark.join(map(cell, cells)) + end * int(rng.integers(1, 3))

    columns = [f"c {i}" for i in range(width)]
    place = int(rng.integers(0, width + 1))  # of the target
    lines = [line([*columns[:place], "kind", *columns[place:]])]
    for row, kind in zip(x.tolist(), kinds, strict=True):
        numbers = [repr(value).replace(".", decimal) for value in row]
        lines.append(line([*numbers[:place], str(kind), *numbers[place:]]))
    path = write("".join(lines).rstrip(end), "utf-8-sig" if byte_order else "utf-8")
    splits = load(path, target="kind", decimal=decimal, val_size=0, test_size=0)
    np.testing.assert_array_equal(splits.train.arrays[0], x)
    assert [splits.classes[label] for label in splits.train.arrays[1]] == kinds.tolist()
    assert splits.info == {"columns": columns, "target": "kind"}
