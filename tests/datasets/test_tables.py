"""Tables with words, dates and gaps: encoded by the training rows, as scikit-learn would."""

import datetime
import json

import numpy as np
import pytest

from firstlight.data.encoding import Encoding
from firstlight.data.preprocessing import Preprocessing
from firstlight.datasets import from_table, load
from firstlight.datasets._columns import Cells

COUNT = 60


def passengers(seed=0):
    """Return columns with words, dates and gaps."""
    rng = np.random.default_rng(seed)
    day = datetime.date(1912, 1, 1)
    dates = [day + datetime.timedelta(int(n)) for n in rng.integers(0, 400, COUNT)]
    gap = rng.random((3, COUNT)) < 0.2
    age, port = rng.normal(30, 9, COUNT).round(1).tolist(), rng.choice(["S", "C", "Q"], COUNT)
    return {
        "name": [f"Passenger {i}" for i in range(COUNT)],
        "age": [None if g else a for a, g in zip(age, gap[0], strict=True)],
        "fare": rng.gamma(2, 15, COUNT).round(2).tolist(),
        "port": [None if g else str(p) for p, g in zip(port, gap[1], strict=True)],
        "booked": [None if g else d for d, g in zip(dates, gap[2], strict=True)],
        "survived": rng.integers(0, 2, COUNT).tolist(),
    }


def text(columns):
    """Return columns as the text of a CSV file."""
    cells = [["" if cell is None else str(cell) for cell in cells] for cells in columns.values()]
    return "\n".join(map(",".join, [list(columns), *zip(*cells, strict=True)]))


def quietly(table, **arguments):
    return from_table(table, drop=["name"], **arguments)


def test_numbers_and_words_are_encoded_as_scikit_learn_does():
    """Median, missing indicator and one-hot features, fitted to the training rows alone."""
    pytest.importorskip("sklearn", reason="scikit-learn is the oracle")
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = passengers()
    splits = quietly(table, val_size=0.2, test_size=0.2)
    columns = np.empty((COUNT, 3), "O")
    columns[:, 0] = [np.nan if age is None else age for age in table["age"]]
    columns[:, 1] = table["fare"]
    columns[:, 2] = table["port"]
    index = {fare: row for row, fare in enumerate(table["fare"])}
    place = splits.info["features"].index("fare")
    fares = [part.arrays[0][:, place] for part in splits.parts.values()]
    rows = [[index[fare] for fare in part.tolist()] for part in fares]
    amount = SimpleImputer(strategy="median", add_indicator=True)
    words = OneHotEncoder(categories=[["S", "C", "Q"]], handle_unknown="ignore")
    oracle = ColumnTransformer(
        [("a", amount, [0]), ("f", StandardScaler(), [1]), ("p", words, [2])], sparse_threshold=0
    )
    train = oracle.fit_transform(columns[rows[0]])
    scale = make_pipeline(StandardScaler()).fit(train[:, :1])
    for part, places in zip(splits.parts.values(), rows, strict=True):
        wanted = oracle.transform(columns[places]).astype("float64")
        wanted[:, :1] = scale.transform(wanted[:, :1])
        names = ["age", "age=(missing)", "fare", "port=S", "port=C", "port=Q"]
        features = [splits.info["features"].index(name) for name in names]
        np.testing.assert_allclose(part[:][0][:, features], wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["dict", "csv", "pandas", "polars", "pyarrow"])
def test_every_form_of_a_table_is_the_same_table(kind, tmp_path):
    table = passengers()
    own = quietly(table)
    if kind == "dict":
        other = quietly({name: np.array(cells, "O") for name, cells in table.items()})
    elif kind == "csv":
        (tmp_path / "t.csv").write_text(text(table))
        other = load(tmp_path / "t.csv", drop=("name",))
        assert other.classes == own.classes == ["0", "1"]
    else:
        library = pytest.importorskip(kind, reason=f"tests tables of {kind}")
        made = {
            "pandas": lambda: library.DataFrame(table),
            "polars": lambda: library.DataFrame(table),
            "pyarrow": lambda: library.table(table),
        }
        other = quietly(made[kind]())
    assert other.info == own.info
    for part, twin in zip(own.parts.values(), other.parts.values(), strict=True):
        np.testing.assert_array_equal(part[:][0], twin[:][0])
        np.testing.assert_array_equal(part[:][1], twin[:][1])


def test_a_date_is_days_and_places_on_circles():
    table = {"t": ["2024-01-01T06:00", "2024-07-01T18:00", "2023-12-31T12:00", "", "31.12.2023"]}
    (values,) = ({"t": Cells().typed("t", np.array(table["t"], "O"))},)
    encoding = Encoding.fit(values)
    x = dict(zip(encoding.features, encoding.encode(values).T, strict=True))
    assert list(x) == [
        *("t.days", "t.year_sin", "t.year_cos", "t.week_sin", "t.week_cos"),
        *("t.day_sin", "t.day_cos", "t=(missing)"),
    ]
    assert x["t.days"].tolist() == [19723.25, 19905.75, 19722.5, 19723.25, 19722]
    year = [0.25 / 366, 182.75 / 366, 364.5 / 365, 0.25 / 366, 364 / 365]
    np.testing.assert_allclose(x["t.year_sin"], np.sin(2 * np.pi * np.array(year)), atol=1e-9)
    week = np.arctan2(x["t.week_sin"], x["t.week_cos"])[:2] / (2 * np.pi) * 7  # both are Mondays
    np.testing.assert_allclose(week, [0.25, 0.75], atol=1e-9)
    np.testing.assert_allclose(x["t.day_cos"], [0, 0, -1, 0, 1], atol=1e-9)
    assert x["t=(missing)"].tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["2024-02-30"] * 4, None),  # no date, so words
        (["2024-02-28 10:30:00+02:00"], "2024-02-28T08:30:00"),
        (["2024/2/9"], "2024-02-09T00:00:00"),
        (["9.2.2024"], "2024-02-09T00:00:00"),
        (["02/09/2024"], None),
    ],
)
def test_what_is_a_date(cells, wanted):
    values = Cells().typed("t", np.array(cells, "O"))
    assert str(values[0]) == (wanted or cells[0])
    if cells[0].count("/") == 2:
        assert str(Cells(date_format="%d/%m/%Y").typed("t", np.array(["02/09/2024"], "O"))[0]) == (
            "2024-09-02T00:00:00"
        )


def test_a_date_format_leaves_other_columns_their_own():
    cells = Cells(date_format="%m/%d/%Y")
    for cell in ("12/31/1912", "1912-12-31", "31.12.1912"):
        for kind in (None, "dates"):
            values = cells.typed("t", np.array([cell, None], "O"), kind)
            assert str(values[0]) == "1912-12-31T00:00:00"
    values = Cells(date_format="%m.%d.%Y").typed("t", np.array(["02.01.1912", "02.13.1912"], "O"))
    assert str(values[0]) == "1912-02-01T00:00:00"
    with pytest.raises(ValueError, match=r"expected a date, got '31\.12\.1912'"):
        cells.typed("t", np.array(["12/30/1912", "12/31/1912", "31.12.1912"], "O"), "dates")


@pytest.mark.parametrize("option", ["columns", "drop", "words"])
def test_names_of_columns_are_a_list(option):
    with pytest.raises(TypeError, match=rf"expected {option}=\['age', 'sex'\], got 'age,sex'"):
        from_table(passengers(), **{option: "age,sex"})


def test_a_run_encodes_new_rows_as_its_own(tmp_path):
    splits = quietly(passengers())
    kept = Preprocessing.of(splits)
    kept.save(tmp_path)
    assert Preprocessing.load(tmp_path).differences(kept) == []
    rows = {name: cells[:3] for name, cells in passengers().items() if name != "survived"}
    rows |= {"fare": [1.0, None, 3.0], "port": ["X", "S", None], "more": [1, 2, 3]}
    with pytest.warns(UserWarning, match="column") as warned:
        new = from_table(rows, drop=["name"], like=tmp_path, val_size=0, test_size=0)
    assert [str(w.message).partition(": ")[2] for w in warned] == [
        "the run was not trained on column more; it is left out",
        f"column fare: missing in 1 row, filled: {_fill(splits, 'fare')}",
        "column port: 'X' not seen in training, in 1 row, taken as no known word",
    ]
    x = dict(zip(new.info["features"], new.train.arrays[0].T, strict=True))
    assert [x[f"port={word}"].tolist() for word in "SCQ"] == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert x["port=(missing)"].tolist() == [0, 0, 1]
    assert (new.info["target"], new.classes) == (None, ["0", "1"])
    for column in ("fare", "booked"):
        with pytest.raises(
            ValueError, match=f"there is no column {column}; the run was trained on"
        ):
            from_table({n: c for n, c in rows.items() if n != column}, like=tmp_path)


def _fill(splits, column):
    return next(part["fill"] for part in splits.info["encoding"] if part["column"] == column)


def test_encodings_of_other_rows_are_refused_by_a_network():
    from firstlight.data.preprocessing import with_preprocessing

    kept = Preprocessing.of(quietly(passengers()))
    assert with_preprocessing(quietly(passengers()), kept) is not None
    with pytest.raises(ValueError, match="encoded otherwise .*; load it with like="):
        with_preprocessing(quietly(passengers(), seed=1), kept)


def test_words_of_many_kinds():
    rng = np.random.default_rng(0)
    common = [f"w{n}" for n in rng.geometric(0.05, 400)]
    table = {"zip": rng.integers(0, 5, 400), "w": common, "y": [0, 1] * 200}
    splits = from_table(table, words=["zip"], val_size=0, test_size=0)
    names = [name for name in splits.info["features"] if name.startswith("w=")]
    assert (len(names), names[-1]) == (33, "w=(other)")
    assert sum(name.startswith("zip=") for name in splits.info["features"]) == 5
    assert (splits.train[:][0].sum(axis=1) == 2).all()  # one word of each column
    splits = from_table(table, words=["zip"], encode="index", val_size=0, test_size=0)
    assert splits.info["features"] == ["zip", "w"]
    assert splits.train[:][0].min() == 1
    words = splits.info["encoding"][1]["words"]
    assert [words[int(k) - 1] for k in splits.train[:][0][:, 1]] == common


def test_columns_that_say_nothing_are_left_out_with_a_warning():
    table = passengers() | {"empty": [None] * COUNT}
    table = {"cabin": [f"C{n}" if n % 3 else None for n in range(COUNT)]} | table
    with pytest.warns(UserWarning, match=r"table: name, survived, empty left out: .*drop="):
        splits = from_table(table | {"survived": table["name"]} | {"y": [0, 1] * (COUNT // 2)})
    assert splits.info["features"][0] == "cabin=(missing)"


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (
            {"fare": ["1"] * 59 + ["dog"]},
            {},
            "table: row 59, column fare: expected a number, got 'd",
        ),
        ({"fare": [1.0] * 59 + [np.inf]}, {}, "row 59, column fare: expected a number, got 'inf'"),
        (
            {"booked": ["2024-01-01"] * 59 + ["soon"]},
            {},
            "expected a date, got 'soon'; .* date_format=%d",
        ),
        ({"survived": [0, None] * 30}, {}, "row 1, column survived: the target is missing"),
        ({"fare": [1.0]}, {}, "table: expected columns of one length, got"),
        ({}, {"target": "dead"}, "table: there is no column 'dead'; the columns are name, age"),
        ({}, {"columns": ["age", "survived"]}, "column survived is the target, and no input"),
        ({}, {"drop": ["sex"]}, "there is no column 'sex'"),
        ({}, {"encode": "hash"}, "expected encode onehot or index, got 'hash'"),
        ({"fare": np.zeros((60, 2))}, {}, r"column fare: expected one value a row, got shape \(60"),
    ],
)
def test_tables_that_cannot_be_used(change, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_table(passengers() | change, **{"drop": ["name"], **arguments})


def test_what_is_no_table():
    with pytest.raises(TypeError, match="expected a table, or a dict of columns, got list"):
        from_table([1, 2])


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "pickle"},
        {"fill": float("nan")},
        {"fill": "high"},
        {"column": "other", "more": 1},
    ],
)
def test_a_damaged_encoding_is_refused(change, tmp_path):
    kept = Preprocessing.of(quietly(passengers())).to_dict()
    kept["inputs"]["encoding"][0].update(change)
    (tmp_path / "preprocessing.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match="not the preprocessing of a run"):
        Preprocessing.load(tmp_path)


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="reads Parquet")
    from pyarrow import parquet

    table = passengers()
    parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text(text(table))
    own, same = (load(tmp_path / f"t.{end}", drop=("name",)) for end in ("parquet", "csv"))
    assert own.info == same.info
    assert load(f"parquet:{tmp_path}/t.parquet", drop=("name",)).info == own.info
    (tmp_path / "bad.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="bad.parquet: not a Parquet file that PyArrow reads"):
        load(tmp_path / "bad.parquet")
    with pytest.raises(FileNotFoundError, match="parquet: there is no file none.parquet"):
        load("none.parquet")


def test_numbers_of_a_csv_run_are_read_from_other_tables(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "1,2,no\n3,4,yes\n" * 20)
    Preprocessing.of(load(tmp_path / "t.csv")).save(tmp_path)
    rows = {"b": [4, 2], "a": [3.0, 1]}
    splits = from_table(rows, like=tmp_path, val_size=0, test_size=0)
    assert splits.train.arrays[0].tolist() == [[3, 4], [1, 2]]
    with pytest.raises(ValueError, match="table: row 1, column a: expected a number, got none"):
        from_table({"b": [4, 2], "a": [3.0, None]}, like=tmp_path)
