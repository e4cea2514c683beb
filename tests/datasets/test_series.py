"""series: windows in time order, none over a cut, encoded by the training rows."""

import numpy as np
import pytest

from firstlight.data.preprocessing import Preprocessing
from firstlight.datasets import from_series, load

ROWS = 200


def weather(rows=ROWS):
    """Return a table of which each number says its row."""
    t = np.arange(rows, dtype="float64")
    return {"wind": -t, "sky": np.array(["sun", "rain", "sun"])[np.arange(rows) % 3], "heat": t}


@pytest.mark.parametrize(("window", "horizon", "stride"), [(5, 1, 1), (7, 3, 2), (1, 10, 5)])
def test_windows_and_what_follows_them(window, horizon, stride):
    splits = from_series(
        weather(), window=window, horizon=horizon, stride=stride, standardize=False
    )
    seen = []
    for first, last, data in zip(
        (0, 160, 180), (160, 180, 200), splits.parts.values(), strict=True
    ):
        x, y = data[:]
        starts = np.arange(first, last - window - horizon + 1, stride)
        heat = starts[:, np.newaxis] + np.arange(window)  # (N, W)
        assert x.shape == (len(starts), window, 4)  # wind, sun, rain, heat
        np.testing.assert_array_equal(x[:, :, 3], heat)
        np.testing.assert_array_equal(x[:, :, 0], -heat)
        np.testing.assert_array_equal(x[:, :, 2], heat % 3 == 1)
        np.testing.assert_array_equal(y, starts[:, np.newaxis] + window + np.arange(horizon))
        seen.append({*heat.ravel().tolist(), *y.ravel().astype(int).tolist()})
    assert len(set().union(*seen)) == sum(map(len, seen))  # no row is in two splits
    assert splits.info["target"] == "heat"
    assert splits.classes is None


def test_windows_take_no_memory_and_are_scaled_by_the_training_rows():
    splits = from_series(weather(10_000), window=990)
    x = splits.train.arrays[0]
    assert np.shares_memory(x[0], x[1])
    mean, std = np.arange(8000).mean(), np.arange(8000).std()
    np.testing.assert_allclose(
        splits.val[:1][0][0, :3, 3], (np.arange(8000, 8003) - mean) / std, 1e-5
    )


def test_rows_are_sorted_by_time():
    table = weather(50)
    order = np.random.default_rng(0).permutation(50)
    day = np.datetime64("2024-01-01") + np.arange(50)
    mixed = {name: cells[order] for name, cells in (table | {"day": day}).items()}
    wanted = from_series(table, window=3, standardize=False)
    found = from_series(mixed, target="heat", time="day", window=3, standardize=False)
    for a, b in zip(wanted.train[:], found.train[:], strict=True):
        np.testing.assert_array_equal(a, b)
    both = from_series(mixed, columns=["heat", "day"], target="heat", time="day", window=3)
    assert both.info["features"][:2] == ["heat", "day.days"]
    mixed["day"][7] = np.datetime64("NaT")
    with pytest.raises(ValueError, match="series: row 7, column day: the time is missing"):
        from_series(mixed, time="day")
    with pytest.raises(ValueError, match="expected dates or numbers in the column sky, got words"):
        from_series(mixed, time="sky")


def test_rows_in_another_order_are_a_warning():
    table = {"day": np.arange("2024-01", "2024-03", dtype="datetime64[D]")[::-1]}
    table["y"] = np.arange(60.0)
    with pytest.warns(UserWarning, match="not in the order of the dates in column day.*time=day"):
        from_series(table, window=2)
    from_series(table | {"day": table["day"][::-1]}, window=2)


def test_folds_in_order_are_those_of_scikit_learn():
    pytest.importorskip("sklearn", reason="scikit-learn is the oracle")
    from sklearn.model_selection import TimeSeriesSplit

    for fold, (train, test) in enumerate(TimeSeriesSplit(4).split(np.zeros(200))):
        splits = from_series(weather(), window=1, standardize=False, folds=4, fold=fold, val_size=0)
        assert splits.train[:][0][:, 0, 3].tolist() == train[:-1].tolist()
        assert splits.test[:][1][:, 0].tolist() == test[1:].tolist()


def test_a_run_reads_another_file_and_predicts_what_comes_next(tmp_path):
    table = weather()
    kept = Preprocessing.of(from_series(table, window=6, horizon=2))
    kept.save(tmp_path)
    lines = ["wind,sky,heat", *(f"{-t},snow,{1000 + t}" for t in range(20))]
    (tmp_path / "new.csv").write_text("\n".join(lines))
    sizes = {"val_size": 0, "test_size": 0, "window": 6, "horizon": 2, "like": tmp_path}
    with pytest.warns(UserWarning, match="column sky: 'snow' not seen in training, in 20 rows"):
        new = load(f"series:{tmp_path / 'new.csv'}", **sizes)
    assert (len(new.train), new.transform) == (13, new.transform)
    assert new.train[0][1].tolist() == [1006, 1007]
    with pytest.warns(UserWarning, match="snow"):
        last = load(f"series:{tmp_path / 'new.csv'}", future=True, **sizes)
    (x,) = last.train.arrays
    assert x[0, :, 3].tolist() == [1014, 1015, 1016, 1017, 1018, 1019]
    with pytest.raises(ValueError, match="expected samples of shape"):
        from_series(table, window=7, like=tmp_path)


def test_parquet_is_the_same_series(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="reads Parquet")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(weather()), tmp_path / "t.parquet")
    a = from_series(weather(), name="t", window=9)
    b = load(f"series:{tmp_path / 't.parquet'}", window=9)
    assert a.info == b.info
    np.testing.assert_array_equal(a.test[:][0], b.test[:][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "series: expected window of 1 or more, got 0"),
        (
            {"window": 20},
            "series: val has 20 rows, fewer than window . horizon, 21; choose a small",
        ),
        ({"target": "rain"}, "there is no column 'rain'; the columns are wind, sky, heat"),
        ({"target": "sky"}, "series: row 0, column sky: expected a number, got 'sun'"),
        ({"time": "day"}, "there is no column 'day'"),
    ],
)
def test_series_that_cannot_be_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_series(weather(), **arguments)
