"""load: by name, by path, arguments checked; what the package registers."""

import inspect

import numpy as np
import pytest

import firstlight as fl
from firstlight import plugins
from firstlight.datasets import load

OWN = [
    "arithmetic",
    "cifar10",
    "cifar100",
    "csv",
    "digits",
    "fashion_mnist",
    "hf",
    "images",
    "kmnist",
    "mnist",
    "npz",
    "parquet",
    "polynomial",
    "series",
    "text",
    "tiny_shakespeare",
]


def test_own_data_sets_are_registered():
    registry = plugins.registry("dataset")
    assert set(OWN) <= set(registry.names())
    for name in OWN:
        assert registry.get(name) is getattr(fl.datasets, name)


@pytest.mark.parametrize("name", OWN)
def test_every_argument_is_typed_and_documented(name):
    """The command line is made from signatures and docstrings."""
    function = getattr(fl.datasets, name)
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.annotation is not parameter.empty, parameter
        assert f"\n{parameter.name} : " in inspect.getdoc(function), parameter
    assert inspect.signature(function).return_annotation is fl.DataSplits


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(KeyError, match="no dataset is called 'digit'; did you mean 'digits'?"):
        load("digit")


def test_an_unknown_argument_offers_the_nearest():
    message = (
        "load.'digits'.: there is no argument batchsize; did you mean batch_size. It takes val"
    )
    with pytest.raises(TypeError, match=message):
        load("digits", batchsize=3)


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match="load.'npz'.: it needs path"):
        load("npz")


def test_paths_choose_the_reader_by_their_ending(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((20, 2)), y=np.arange(20) % 2)
    (tmp_path / "a.CSV").write_text("x,y\n" + "1,0\n2,1\n" * 10)
    for path in (tmp_path / "a.npz", str(tmp_path / "a.CSV")):
        splits = load(path, val_size=4)
        assert (splits.name, len(splits.val)) == ("a", 4)
    (tmp_path / "t.dat").write_text("a,b\n1,2.5\n2,3\n")
    assert load(f"csv:{tmp_path}/t.dat", val_size=0, test_size=0).info["columns"] == ["a"]


def test_a_function_by_its_path_and_what_it_must_return(tmp_path):
    assert load("firstlight.datasets.digits:digits").name == "digits"
    (tmp_path / "own.py").write_text("def text():\n    return 'a'\n")
    with pytest.raises(TypeError, match="expected user_file.text to return DataSplits, got str"):
        load(f"{tmp_path / 'own.py'}:text")
    with pytest.raises(plugins.UnknownNameError, match="got the function textwrap.dedent"):
        load("textwrap:dedent", text="a")
