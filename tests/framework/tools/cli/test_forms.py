"""``firstlight forms``: the forms of layers, and which one each layer of a model takes."""

import json

import numpy as np
import pytest

from firstlight import nn
from firstlight.support import forms
from firstlight.tools.cli.commands.forms import needs

conditions = pytest.importorskip("firstlight.fast.conditions", reason="needs framework/fast")

DOUBLED = """
import numpy as np
import firstlight as fl
from firstlight import nn, optim


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)

    def backward(self, dy):
        return super().backward(2 * dy)


class Net(fl.Module):
    def __init__(self, in_features, num_classes):
        self.first, self.last = nn.Linear(in_features, 8), Doubled(8, num_classes)
        self.loss = nn.CrossEntropyLoss()
        self.to(dtype="float64")

    def forward(self, x):
        return self.last(self.first(x.reshape(len(x), -1)))

    def backward(self, dy):
        return self.first.backward(self.last.backward(dy))
"""


@pytest.fixture(autouse=True)
def _enabled(monkeypatch):
    """Use forms, whatever the environment says."""
    monkeypatch.delenv("FIRSTLIGHT_FAST", raising=False)
    forms.forget_choices()
    yield
    monkeypatch.undo()
    forms.forget_choices()


@pytest.fixture
def doubled(tmp_path):
    (tmp_path / "doubled.py").write_text(DOUBLED)
    return "doubled:Net"


def rows_of(out):
    """Return the cells of a table's rows."""
    return [[cell.strip() for cell in line.split("  ") if cell] for line in out.splitlines()]


def test_all_forms_are_listed_by_layer(cli):
    code, out, err = cli("forms")
    assert (code, err) == (0, "")
    rows = [" ".join(row) for row in rows_of(out)]  # the first row of a layer begins with its name
    assert any("CompiledGELU fast/compiled/forms.py" in row for row in rows)
    assert any("BlockedGELU fast/blocked/gelu.py float32 arrays of NumPy" in row for row in rows)
    assert "SixLoops" in out
    assert "on request only: all inputs" in out
    for form in forms.registered():
        assert form.name in out


def test_a_condition_that_this_machine_does_not_fulfil(cli, monkeypatch):
    monkeypatch.setattr(conditions, "numba_is_enabled", lambda: False)
    assert "numba installed, and FIRSTLIGHT_COMPILED not 0 (not so here)" in cli("forms")[1]


def test_there_may_be_no_forms(cli, monkeypatch):
    monkeypatch.setattr(forms, "registered", list)
    assert cli("forms")[1] == "there are no forms: the package firstlight.fast is not installed\n"


def test_the_list_as_json(cli):
    code, out, _ = cli("forms", "--json")
    assert code == 0
    found = {row["form"]: row for row in json.loads(out)}
    assert found["BlockedGELU"] == {
        "layer": "firstlight.nn.gelu.GELU",
        "lesson": "nn/gelu.py",
        "form": "BlockedGELU",
        "file": "fast/blocked/gelu.py",
        "methods": ["backward", "forward"],
        "needs": ["float32 arrays of NumPy"],
        "always": False,
        "on_request": False,
        "enabled": True,
    }


def test_the_forms_that_a_model_takes(cli):
    code, out, err = cli("forms", "--model", "cnn", "--data", "digits", "--data.batch_size", 7)
    assert (code, err) == (0, "")
    assert ["features.2", "ReLU", "float32 (7, 8, 8, 32)", "BlockedReLU"] in rows_of(out)
    assert ["flatten", "Flatten", "float32 (7, 1, 1, 128)", "lesson"] in rows_of(out)
    assert ["optimizer.update", "Adam"] in [row[:2] for row in rows_of(out)]
    assert "features " not in out  # a container
    assert "CompiledConv2d" in out
    assert "\n  needs: numba installed, and FIRSTLIGHT_COMPILED not 0\n" in out


def test_why_no_form_is_taken(cli, doubled):
    code, out, err = cli("forms", "--model", doubled, "--data", "digits", "--json")
    assert (code, err) == (0, "")
    first, last, loss = json.loads(out)  # the model has no optimizer
    assert (first["name"], first["layer"], first["form"]) == ("first", "Linear", "")
    assert first["input"] == "float64 (32, 64)"
    assert first["others"]["BlockedLinear"] == "float32 arrays of NumPy; got float64 of NumPy"
    assert (last["layer"], last["form"]) == ("Doubled", "")
    assert last["others"]["BlockedLinear"] == "Linear.backward, which Doubled overrides"
    assert loss["name"] == "loss"


def test_forms_that_are_switched_off(cli, monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_FAST", "0")
    assert cli("forms")[1].startswith("FIRSTLIGHT_FAST=0: lessons alone are used\n")
    out = cli("forms", "--model", "mlp", "--data", "digits")[1]
    assert {row[3] for row in rows_of(out) if len(row) == 4} == {"form", "lesson"}
    assert "\n  needs: FIRSTLIGHT_FAST not 0\n" in out


def test_needs_of_an_input_that_is_no_array():
    (form,) = (form for form in forms.registered() if form.name == "BlockedLinear")
    assert needs(form, nn.Linear(1, 1), None) == "float32 arrays of NumPy; got NoneType"
    assert needs(form, nn.Linear(1, 1), np.zeros(1, "int32")).endswith("got int32 of NumPy")


@pytest.mark.gpu
def test_the_forms_that_a_model_takes_on_a_gpu(cli):
    code, out, err = cli("forms", "--model", "mlp", "--device", "cuda")
    assert (code, err) == (0, "")
    assert ["body.0", "Linear", "float32 (32, 64)", "CudaLinear"] in rows_of(out)
    assert ["body.2", "ReLU", "float32 (32, 256)", "CudaActivation"] in rows_of(out)
    assert "arrays of NumPy; got float32 of CuPy\n" in out


def test_a_device_that_is_not_there(cli):
    code, _, err = cli("forms", "--model", "mlp", "--device", "cuda:7")
    assert code == 1
    assert "device 'cuda:7' is not usable" in err


def test_forms_has_help_and_refuses(cli, refused):
    assert "--model.hidden" in cli("forms", "--help")[1]
    assert "did you mean --model?" in refused("forms", "--modle", "mlp")
    assert "no model is called 'mlpp'" in refused("forms", "--model", "mlpp")
