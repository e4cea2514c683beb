"""What may be named by where it is, and that nothing else is called."""

import pytest

from firstlight import plugins
from firstlight.datasets import load
from firstlight.support.import_paths import UnknownNameError, import_target

MINE = """
import functools, os
import firstlight as fl
from firstlight.data.splits import DataSplits


class Net(fl.Module):
    pass


class Stop(fl.Callback):
    pass


class Hooked:
    @fl.hookimpl
    def on_fit_start(self, trainer):
        pass


class Other:
    def __init__(self):
        raise SystemExit("called")


def data():
    return fl.DataSplits(([[1.0]], [[1.0]]))


def told() -> "DataSplits":
    return data()


def unresolved() -> "Nowhere":
    raise SystemExit("called")


def number() -> int:
    raise SystemExit("called")


def net() -> fl.Module:
    return Net()


def stop() -> fl.Callback:
    return Stop()


instance = Net()
partial = functools.partial(data)
cached = functools.cache(data)
"""


@pytest.fixture(autouse=True)
def _mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("model", ["Net", "net", "data"]),
        ("callback", ["Stop", "Hooked", "stop"]),
        ("dataset", ["data", "told"]),
    ],
)
def test_what_can_be_of_a_kind_is_taken(kind, names):
    for name in names:
        assert plugins.registry(kind).get(f"mine.py:{name}").__name__ == name


@pytest.mark.parametrize("kind", ["model", "callback", "dataset"])
@pytest.mark.parametrize(
    "name",
    [
        "os:system", "os:removedirs", "subprocess:run", "subprocess:Popen", "shutil:rmtree",
        "builtins:eval", "builtins:exec", "numpy:save", "os:environ", "pytest:main",
        "mine.py:Other", "mine.py:number", "mine.py:unresolved", "mine.py:instance",
        "mine.py:partial", "mine.py:cached", "mine.py:os", "firstlight.runs.run:Run",
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_and_not_called(kind, name):
    with pytest.raises(UnknownNameError, match=f"^{kind} '{name}': expected .*, got ") as caught:
        plugins.registry(kind).get(name)
    assert "\n" not in str(caught.value)


def test_load_calls_no_arbitrary_function(tmp_path):
    with pytest.raises(KeyError, match="expected a function that returns firstlight.DataSplits"):
        load("os:makedirs", name="planted")
    assert not (tmp_path / "planted").exists()
    assert len(load("mine.py:told").train) == 1


def test_any_object_can_be_imported_where_no_kind_is_asked_for():
    assert import_target("os:sep") == "/"
