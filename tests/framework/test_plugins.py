"""Discovery: good, broken, clashing and blocked packages, in a fresh interpreter each time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from firstlight import plugins

GOOD = """
    import firstlight as fl

    class Hello(fl.Callback):
        pass

    @fl.hookimpl
    def register_callbacks(registry):
        registry.add("hello", Hello)
"""
REPORT = """
import dataclasses, json, warnings
import firstlight as fl
from firstlight import plugins
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    registries, found = plugins.discover()
strangers = [p for p in found if p.distribution != "firstlight"]
ours = [w.message for w in caught if "(firstlight " in str(w.message).split(" is ")[0]]
print(json.dumps({
    "plugins": {f"{p.name} {p.distribution}": dataclasses.asdict(p) for p in strangers},
    "ours": [p.name for p in found if p.distribution == "firstlight"],
    "names": {kind: registry.names() for kind, registry in registries.items()},
    "warnings": [str(w.message) for w in caught if w.message not in ours],
    "kinds": sorted({w.category.__name__ for w in caught}),
}))
"""


@pytest.fixture
def site(tmp_path):
    """Return a folder to install packages into, by hand and offline."""
    return Site(tmp_path / "site")


class Site:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def install(self, module, source, *, target=None, name=None, distribution=None):
        """Write a module and the metadata that pip would write for it."""
        (self.folder / f"{module}.py").write_text(dedent(source))
        distribution = distribution or module.replace("_", "-")
        info = self.folder / f"{distribution.replace('-', '_')}-0.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.3\n"
        )
        (info / "entry_points.txt").write_text(
            f"[firstlight]\n{name or module} = {target or module}\n"
        )

    def run(self, code, **environment):
        """Run code in a fresh interpreter that sees these packages."""
        environment = os.environ | {"PYTHONPATH": str(self.folder)} | environment
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )

    def report(self, **environment):
        """Return what discovery finds."""
        done = self.run(REPORT, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def test_a_good_plugin_is_listed_and_its_names_are_there(site):
    site.install("hello", GOOD)
    report = site.report()
    assert report["plugins"]["hello hello"] == {
        "name": "hello",
        "distribution": "hello",
        "version": "0.3",
        "target": "hello",
        "hooks": ["register_callbacks"],
        "offers": {"callback": ["hello"]},
        "error": "",
    }
    assert "hello" in report["names"]["callback"]
    assert report["warnings"] == []


BROKEN = {
    "broken_import": ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "raising_hook": (
        """
        from firstlight import hookimpl
        @hookimpl
        def register_models(registry):
            registry.add("half_done", dict)
            raise ZeroDivisionError("oops")
        """,
        "ZeroDivisionError: oops",
    ),
    "unknown_hook": (
        """
        from firstlight import hookimpl
        @hookimpl
        def register_model(registry):
            pass
        """,
        "unknown_hook.register_model is not a hook; did you mean register_models?",
    ),
    "wrong_argument": (
        """
        from firstlight import hookimpl
        @hookimpl
        def register_models(models):
            pass
        """,
        "takes models, which the hook does not have; register_models offers: registry",
    ),
    "unmarked": (
        "def register_models(registry): pass",
        "unmarked.register_models would never be called; mark it with @firstlight.hookimpl",
    ),
    "empty": ("", "empty implements no hook; mark register_models, register_datasets,"),
    "from_the_future": (
        "FIRSTLIGHT_API = 2",
        "it is written for plugin API 2, this firstlight has 1",
    ),
    "bad_name": (
        """
        from firstlight import hookimpl
        @hookimpl
        def register_models(registry):
            registry.add("my:model", dict)
        """,
        "registry.add: expected letters, digits and . _ -, got 'my:model'",
    ),
    "bad_target": (
        """
        from firstlight import hookimpl
        @hookimpl
        def register_models(registry):
            registry.add("model", 42)
        """,
        "registry.add: expected a name and a class or function, got 'model', 42",
    ),
}


def test_broken_plugins_are_named_and_skipped_and_stop_nobody(site):
    site.install("aaa_first", GOOD)
    for module, (source, _) in BROKEN.items():
        site.install(module, source)
    site.install("zzz_last", GOOD.replace("hello", "bye"))
    report = site.report()
    for module, (_, error) in BROKEN.items():
        plugin = report["plugins"][f"{module} {module.replace('_', '-')}"]
        assert error in plugin["error"]
        assert plugin["offers"] == {}
        said = [text for text in report["warnings"] if error in text]
        assert len(said) == 1
        assert said[0].startswith(f"plugin {module} ({module.replace('_', '-')} 0.3) is skipped: ")
    assert len(report["warnings"]) == len(BROKEN)
    assert report["kinds"] == ["PluginWarning"]
    assert {"hello", "bye"} <= set(report["names"]["callback"])
    assert "half_done" not in report["names"]["model"]
    assert "mlp" in report["names"]["model"]


def test_asking_for_what_nobody_offers_says_which_plugins_are_broken(site):
    site.install("broken_import", BROKEN["broken_import"][0])
    code = "import firstlight as fl; fl.Trainer(callbacks=['secret'], default_callbacks=False)"
    done = site.run(code)
    assert done.returncode == 1
    assert "no callback is called 'secret'" in done.stderr
    assert "plugin broken_import (broken-import 0.3) is broken: ModuleNotFound" in done.stderr


def test_packages_whose_metadata_cannot_be_read_stop_nobody(site):
    site.install("hello", GOOD)
    site.install("garbled", GOOD)
    (site.folder / "garbled-0.3.dist-info" / "entry_points.txt").write_text(
        "[firstlight]\nnonsense"
    )
    site.install("nameless", GOOD.replace("hello", "bye"))
    (site.folder / "nameless-0.3.dist-info" / "METADATA").write_text("")
    site.install("binary", GOOD.replace("hello", "third"))
    (site.folder / "binary-0.3.dist-info" / "METADATA").write_bytes(b"\xff\xfe")
    report = site.report()
    assert report["plugins"]["hello hello"]["error"] == ""
    assert report["plugins"]["nameless unknown"]["version"] == "unknown"
    assert report["plugins"]["binary unknown"]["version"] == "unknown"
    (said,) = report["warnings"]
    assert re.match(r"the entry points of a package in .*site cannot be read: ", said)
    assert {"hello", "bye", "third"} <= set(report["names"]["callback"])
    assert "mlp" in report["names"]["model"]


def test_two_plugins_of_one_name(site):
    site.install("one", GOOD, name="twin")
    site.install("two", GOOD.replace("hello", "bye"), name="twin")
    report = site.report()
    assert report["plugins"]["twin one"]["error"] == ""
    assert report["plugins"]["twin two"]["error"] == (
        "its name is taken by twin (one 0.3); one of them must be renamed"
    )
    assert report["warnings"] == [
        "plugin twin (two 0.3) is skipped: its name is taken by twin (one 0.3); "
        "one of them must be renamed"
    ]


def test_two_models_of_one_name(site):
    source = """
        from firstlight import hookimpl
        @hookimpl
        def register_models(registry):
            registry.add("mlp", dict)
            registry.add("other", dict)
    """
    site.install("copycat", source)
    report = site.report()
    assert report["plugins"]["copycat copycat"]["offers"] == {"model": ["other"]}
    assert report["warnings"][0].startswith(
        "model 'mlp' of plugin copycat (copycat 0.3) is left out: firstlight_models (firstlight "
    )
    done = site.run("from firstlight import plugins; print(plugins.registry('model').get('mlp'))")
    assert "firstlight.models" in done.stdout


def test_an_entry_point_may_name_a_class_an_object_or_an_attribute(site):
    source = """
        from firstlight import hookimpl
        class Offer:
            def __init__(self, name="from_class"):
                self.name = name
            @hookimpl
            def register_models(self, registry):
                registry.add(self.name, dict)
            @hookimpl(specname="register_datasets")
            def data(self, registry):
                registry.add(self.name, dict)
        offer = Offer("from_object")
    """
    site.install("by_class", source, target="by_class:Offer")
    site.install("by_object", source, target="by_object:offer")
    report = site.report()
    assert report["warnings"] == []
    assert {"from_class", "from_object"} <= set(report["names"]["model"])
    assert {"from_class", "from_object"} <= set(report["names"]["dataset"])
    assert report["plugins"]["by_class by-class"]["hooks"] == [
        "register_datasets",
        "register_models",
    ]


@pytest.mark.parametrize(("allowed", "expected"), [("", []), (" bye , ", ["bye"]), (None, None)])
def test_firstlight_plugins_is_a_list_of_those_allowed(site, allowed, expected):
    site.install("hello", GOOD)
    site.install("bye", GOOD.replace("hello", "bye"))
    report = site.report(**({} if allowed is None else {"FIRSTLIGHT_PLUGINS": allowed}))
    expected = ["bye", "hello"] if expected is None else expected
    assert sorted(plugin["name"] for plugin in report["plugins"].values()) == expected
    assert report["warnings"] == []
    assert {"firstlight_models", "firstlight_callbacks"} <= set(report["ours"])


def test_firstlight_plugins_with_an_unknown_name(site):
    site.install("hello", GOOD)
    report = site.report(FIRSTLIGHT_PLUGINS="helo,firstlight_models")
    assert report["warnings"] == [
        "FIRSTLIGHT_PLUGINS allows 'helo', but no such plugin is installed; did you mean 'hello'?"
    ]


def test_firstlight_strict_plugins_raises(site):
    site.install("broken_import", BROKEN["broken_import"][0])
    done = site.run(REPORT, FIRSTLIGHT_STRICT_PLUGINS="1")
    assert done.returncode == 1
    assert "RuntimeError: plugin broken_import (broken-import 0.3) is skipped: Mod" in done.stderr
    assert site.run(REPORT, FIRSTLIGHT_STRICT_PLUGINS="0").returncode == 0


# --- the registry of names ----------------------------------------------------------------------


def test_an_unknown_name_gets_the_nearest_match():
    with pytest.raises(KeyError) as caught:
        plugins.registry("model").get("mpl")
    assert str(caught.value).startswith("no model is called 'mpl'; did you mean 'mlp'? There are: ")
    assert "mlp, polynomial" in str(caught.value)
    with pytest.raises(KeyError, match="no model is called 'xyz'; there are: "):
        plugins.registry("model").get("xyz")


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


@pytest.mark.slow
def test_a_kind_of_mistake_comes_by_its_hook_and_not_by_its_definition(site):
    page = Path(__file__).parents[2] / "docs" / "plugins.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    (source,) = [code for code in blocks if "register_checks" in code]
    code = dedent("""
        import numpy as np
        from firstlight.testing import TinyNet
        from firstlight.tools.diagnose import check
        x = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
        x[:, 1] = 0.5
        found = check(TinyNet(), (x, np.arange(8) % 2), train=False).findings
        print([one.message for one in found if one.kind == "constant-feature"])
    """)
    (site.folder / "kinds.py").write_text(source)
    assert site.run("import kinds\n" + code).stdout == "[]\n"
    site.install("kinds", source)
    assert site.run(code).stdout == "['feature 1 is 0.5 in all samples']\n"
