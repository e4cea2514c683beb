"""`Module.save` and `firstlight.load` of one file."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from layer_table import CASES
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import firstlight as fl
from firstlight import nn
from firstlight.checkpoints import model_file
from firstlight.runs.find import latest_run

MODELS = {
    "cnn": lambda: fl.models.CNN((8, 8, 1), 3, channels=(4,)),
    "gpt": lambda: fl.models.GPT(11, 8, n_layer=1, n_head=2, n_embd=8),
    "lenet5": lambda: fl.models.LeNet5((28, 28, 1), 10),
    "mlp": lambda: fl.models.MLP(4, 3, hidden=(5, 6), norm="batch", dropout=0.5),
    "polynomial": lambda: fl.models.Polynomial(3),
    "resnet": lambda: fl.models.ResNet((8, 8, 1), 3),
    "rnn": lambda: fl.models.RNN((4, 3), 5, hidden=6),
    "vit": lambda: fl.models.ViT((8, 8, 1), 3, patch_size=4),
}


def bytes_of(model):
    return {n: (a.dtype, a.shape, a.tobytes()) for n, a in model.state_dict().items()}


def metadata(path):
    with safe_open(path, framework="numpy") as file:
        return file.metadata()


NAMED = [case for case in CASES if "mask" not in case.name.split(", ")[-1]]  # others have lambdas


@pytest.mark.parametrize("case", NAMED, ids=lambda case: case.name)
def test_every_layer_comes_back(case):
    layer = case.make()
    for array in layer.state_dict().values():
        array += 1
    layer.save("layer.safetensors")
    again = fl.load("layer.safetensors")
    assert (type(again), repr(again)) == (type(layer), repr(layer))
    assert bytes_of(again) == bytes_of(layer)
    assert not again.training


@pytest.mark.parametrize("name", MODELS)
def test_every_model_comes_back_with_its_dtype(name):
    assert MODELS.keys() == set(fl.plugins.registry("model").names())
    model = MODELS[name]().to(dtype="float64").eval()
    for leaf in (*model.parameters(), *(b for _, b in model.named_buffers())):
        leaf.data += 1
    model.save("deep/inside/model.safetensors")
    again = fl.load("deep/inside/model.safetensors")
    assert bytes_of(again) == bytes_of(model)
    assert all(p.grad.dtype == p.data.dtype for p in again.parameters())
    assert again.configure_optimizer() is not None, "it can be trained further"


def test_a_shared_layer_and_a_frozen_dtype_come_back():
    shared = nn.Linear(2, 2).to(dtype="float16")
    model = nn.Sequential(shared, nn.Tanh(), nn.Residual(shared), nn.Linear(2, 2))
    model.save("model.safetensors")
    again = fl.load("model.safetensors")
    assert again.layers[0] is again.layers[2].body
    assert [p.dtype for p in again.parameters()] == ["float16"] * 2 + ["float32"] * 2
    assert bytes_of(again) == bytes_of(model)


def test_loading_draws_from_no_generator_of_the_program():
    fl.models.MLP(4, 3).save("model.safetensors")
    fl.seed_everything(3)
    expected = nn.Linear(3, 3).state_dict()["weight"]
    fl.seed_everything(3)
    fl.load("model.safetensors")
    np.testing.assert_array_equal(nn.Linear(3, 3).state_dict()["weight"], expected)


def test_the_weights_can_be_read_by_other_programs():
    model = nn.Linear(3, 2)
    model.save("model.safetensors")
    found = load_file("model.safetensors")
    assert found.keys() == {"weight", "bias"}
    np.testing.assert_array_equal(found["weight"], model.weight.data)
    assert [name for name in os.listdir() if name.startswith(".")] == []


def test_values_for_backward_are_pushed_as_before():
    layer = nn.Linear(3, 2)
    layer.save("x", 1)
    layer.save(np.ones(2))
    assert layer.saved()[0].shape == (2,)
    assert layer.saved() == ("x", 1)
    with pytest.raises(ValueError, match=r"Linear.save: expected a file name .*, got 'model'"):
        layer.save("model")


def test_the_preprocessing_of_the_training_is_kept():
    digits = fl.datasets.load("digits")
    trainer = fl.Trainer(max_epochs=1, limit_train_batches=5)
    model = fl.models.MLP(64, 10, hidden=(16,))
    trainer.fit(model, digits)
    expected = trainer.test(model, digits)
    model.save("model.safetensors")
    again = fl.load("model.safetensors")
    assert again._preprocessing.to_dict() == trainer.data.preprocessing.to_dict()
    assert fl.Trainer(runs_dir=None).test(again, fl.datasets.load("digits")) == expected
    of_run = fl.load(trainer.run.path, weights="last")
    assert bytes_of(of_run) == bytes_of(again)
    assert of_run._preprocessing.to_dict() == again._preprocessing.to_dict()


def test_a_checkpoint_of_a_run_is_loaded_by_its_path(line, line_data):
    trainer = fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"], default_callbacks=False)
    trainer.fit(fl.models.Polynomial(2), (line_data[0][:, :1], line_data[1]))
    path = trainer.run.path / "checkpoints" / "last.safetensors"
    assert bytes_of(fl.load(path)) == bytes_of(trainer.module)
    with pytest.raises(ValueError, match="weights: .* is a file, with weights of its own"):
        fl.load(path, weights="best")
    path.rename("alone.safetensors")
    with pytest.raises(ValueError, match=r"which model .* \(a checkpoint outside of its run\)"):
        fl.load("alone.safetensors")


def rewritten(path, **changes):
    """Replace entries of the JSON part of a file, with a right checksum."""
    arrays, found = load_file(path), metadata(path)
    text = json.dumps(json.loads(found[model_file.ENTRY]) | changes)
    whole = {model_file.ENTRY: text, "checksum": model_file.checksum(arrays, text)}
    save_file(arrays, path, metadata=whole)


def test_damaged_foreign_and_newer_files_are_named():
    path = "model.safetensors"
    with pytest.raises(FileNotFoundError, match=r"there is no file model\.safetensors; write it"):
        fl.load(path)
    nn.Linear(3, 2).save(path)
    whole = Path(path).read_bytes()
    for content in (whole[:-3], whole[:20], b"", b"text"):
        Path(path).write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged, or no safetensors"):
            fl.load(path)
    Path(path).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="its checksum does not match"):
        fl.load(path)
    save_file({"weight": np.ones(2)}, path)
    with pytest.raises(ValueError, match=r"which model its arrays belong to \(a foreign file\)"):
        fl.load(path)
    nn.Linear(3, 2).save(path)
    rewritten(path, version=2)
    with pytest.raises(ValueError, match=r"version 2 of the format .* or a newer one"):
        fl.load(path)


@pytest.mark.parametrize("entry", ["model", "script", "preprocessing"])
@pytest.mark.parametrize("value", [3, "x", [], {}, {"object": 3}, {"reference": "a"}, None])
def test_a_record_of_another_form_is_named(entry, value):
    nn.Linear(3, 2).save("model.safetensors")
    rewritten("model.safetensors", **{entry: value})
    allowed = entry == "script" or (entry == "preprocessing" and value is None)
    with nullcontext() if allowed else pytest.raises(ValueError, match="^model.safetensors: "):
        fl.load("model.safetensors", trust=True)


PLANTED = [
    {"object": "os:makedirs", "arguments": {"name": "ran"}, "unnamed": []},
    {"object": "evil:Net", "arguments": {}, "unnamed": []},
    {"partial": {"reference": "evil:Net"}, "arguments": {}, "unnamed": []},
    {"object": "firstlight.nn.gelu:np.save", "arguments": {"file": "ran", "arr": 1}, "unnamed": []},
    {
        **{"object": "firstlight.models.mlp:MLP", "unnamed": [4, 2]},
        "arguments": {"init": {"reference": "firstlight.nn.gelu:np.save"}},
    },
]


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("model", PLANTED)
def test_a_strangers_file_calls_nothing_but_models(model, trust, tmp_path):
    (tmp_path / "evil.py").write_text("open('ran', 'w')\nclass Net: pass")
    nn.Linear(3, 2).save("model.safetensors")
    rewritten("model.safetensors", model=model)
    if trust and "evil" in str(model):
        return  # that is what the user agreed to
    refused = "does not belong to|expected a class of a model"
    with pytest.raises(ValueError, match=refused if trust else f"{refused}|pass trust=True"):
        fl.load("model.safetensors", trust=trust)
    assert not list(tmp_path.glob("ran*"))


class Own(nn.Sequential):
    def __init__(self, *sizes, key=None, extra=None):
        super().__init__(*[nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)])


def test_what_a_file_cannot_keep_is_named_when_it_is_saved():
    with pytest.raises(ValueError, match=r"Own.save: model.extra\['f'\] is .*lambda>, from which"):
        Own(2, 3, extra={"f": lambda: 0}).save("model.safetensors")
    with pytest.raises(ValueError, match=r"model.extra\['api_key'\] is a secret"):
        Own(2, 3, extra={"api_key": "abc"}).save("model.safetensors")
    assert not os.path.exists("model.safetensors")

    class Local(nn.Tanh):
        pass

    with pytest.raises(ValueError, match="a class that a function makes, from which"):
        Local().save("model.safetensors")


def test_a_model_that_was_changed_after_it_was_created_is_named():
    model = fl.models.MLP(4, 3, hidden=(5,))
    model.body = nn.Linear(4, 3)
    model.save("model.safetensors")
    with pytest.raises(ValueError, match="exchanged after it was created, create it in"):
        fl.load("model.safetensors")


def test_ones_own_file_needs_no_consent_but_a_copy_does():
    Own(2, 3, 4).save("model.safetensors")
    assert bytes_of(fl.load("model.safetensors")).keys() == bytes_of(Own(2, 3, 4)).keys()
    os.rename("model.safetensors", "copy.safetensors")
    with pytest.raises(ValueError, match="names .*:Own, code that would run with your rights"):
        fl.load("copy.safetensors")
    assert isinstance(fl.load("copy.safetensors", trust=True), Own)


SCRIPT = """
import firstlight as fl
from firstlight import nn

print("running")
WIDTH = 3


class Net(nn.Sequential):
    def __init__(self, depth=1):
        super().__init__(*[nn.Linear(WIDTH, WIDTH) for _ in range(depth)])


net = Net(depth=2)
net.save("net.safetensors")
assert type(fl.load("net.safetensors")) is Net
"""


@pytest.mark.parametrize("script", ["train.py", "01-train.py"])
def test_the_class_of_a_script_is_made_without_running_it(script, tmp_path, monkeypatch, capsys):
    (tmp_path / script).write_text(SCRIPT)
    words = [sys.executable, "-W", "error", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(ValueError, match=f"Net was defined in the script {script}, which is"):
        fl.load("net.safetensors")
    monkeypatch.syspath_prepend(tmp_path)
    model = fl.load("net.safetensors")
    assert len(model.layers) == 2
    assert capsys.readouterr().out == ""
    (tmp_path / script).write_text("x = 1")
    with pytest.raises(ValueError, match="Net"):
        fl.load("net.safetensors")


def test_a_module_that_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "own_net.py").write_text("from firstlight import nn\nclass Net(nn.Tanh): pass")
    monkeypatch.syspath_prepend(tmp_path)
    import own_net

    own_net.Net().save("net.safetensors")
    del own_net.Net
    with pytest.raises(ValueError, match="own_net has no Net any more"):
        fl.load("net.safetensors")
    del sys.modules["own_net"]
    (tmp_path / "own_net.py").unlink()
    with pytest.raises(ValueError, match=r"own_net:Net cannot be imported .* to sys\.path"):
        fl.load("net.safetensors")
    assert not latest_run("runs")
