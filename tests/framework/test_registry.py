"""Names of models, data sets and callbacks."""

import pytest

from firstlight import plugins


def test_an_unknown_name_gets_the_nearest_match():
    with pytest.raises(KeyError) as caught:
        plugins.registry("model").get("mpl")
    assert str(caught.value).startswith("no model is called 'mpl'; did you mean 'mlp'? There are: ")
    assert "mlp, polynomial" in str(caught.value)


def test_a_name_may_be_an_import_path():
    assert plugins.registry("model").get("firstlight.nn:Linear").__name__ == "Linear"
    with pytest.raises(KeyError, match=r"model 'firstlight.nn:Line' cannot be imported: .*Line"):
        plugins.registry("model").get("firstlight.nn:Line")
    with pytest.raises(KeyError, match=r"'nowhere:Net' cannot be imported: No module named 'now"):
        plugins.registry("model").get("nowhere:Net")


def test_a_script_may_add_names_of_its_own():
    registry = plugins.Registry("model")
    registry.add("mine", dict)
    assert registry.get("mine") is dict
    with pytest.warns(plugins.PluginWarning, match="model 'mine' is left out: something"):
        registry.add("mine", list)
