"""firstlight export: a run's model as an ONNX file."""

import json

import numpy as np
import pytest

import firstlight as fl

onnx = pytest.importorskip("onnx", reason="needs onnx")


def test_a_run_is_exported_with_its_metadata(cli, trained):
    folder, _ = trained
    code, out, err = cli("export", "--runs-dir", folder / "runs", "--onnx", folder / "net.onnx")
    assert (code, err) == (0, "")
    assert "differs from NumPy by" in out
    model = onnx.load(folder / "net.onnx")
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert folder.joinpath("runs", found["run"]).is_dir()
    assert "scale" in json.loads(found["preprocessing"])["inputs"]
    assert len(json.loads(found["classes"])) == 10
    net = fl.load(runs_dir=folder / "runs")
    from firstlight.tools.onnx.check import Runner

    x = np.random.default_rng(0).standard_normal((3, *net._preprocessing.input_shape))
    x = x.astype("float32")
    np.testing.assert_allclose(Runner(model)({"input": x})[0], net(x), atol=1e-5)


def test_a_wrong_name_is_a_usage_error(cli, trained):
    folder, _ = trained
    code, _, err = cli("export", "--runs-dir", folder / "runs", "--onnx", "net.pt")
    assert code == 2
    assert "--onnx: expected a name that ends in .onnx, got 'net.pt'" in err
