"""Module: the stack between forward and backward, the tree, the state."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim


class Square(fl.Module):
    def forward(self, x):
        self.save(x)
        return x * x

    def backward(self, dy):
        (x,) = self.saved()
        self.check_dy(dy, x.shape)
        return 2 * x * dy


def test_backward_undoes_the_latest_forward_first():
    layer = Square()
    layer(np.array([1.0]))
    layer(np.array([5.0]))
    dy = np.array([1.0])
    assert (layer.backward(dy)[0], layer.backward(dy)[0]) == (10.0, 2.0)


def test_backward_without_forward():
    with pytest.raises(
        RuntimeError, match="Square.backward: no forward left to undo; call forward"
    ):
        Square().backward(np.ones(1))


def test_backward_after_eval():
    layer = Square().eval()
    layer(np.ones(1))
    with pytest.raises(RuntimeError, match=r"eval\(\) keeps nothing for backward; call train"):
        layer.backward(np.ones(1))


def test_eval_can_keep_what_backward_needs():
    net = nn.Sequential(Square(), Square()).eval(keep_backward=True)
    net(np.array([3.0]))
    assert net.backward(np.array([1.0]))[0] == pytest.approx(4 * 3.0**3)
    assert not net.training


def test_train_forgets_what_was_not_undone():
    layer = Square()
    layer(np.ones(1))
    layer.train()
    with pytest.raises(RuntimeError, match="no forward left"):
        layer.backward(np.ones(1))


@pytest.mark.parametrize("dy", [np.ones((2, 1)), np.ones(3), None])
def test_dy_of_the_wrong_shape(dy):
    layer = Square()
    layer(np.ones(2))
    with pytest.raises(ValueError, match=r"Square.backward: expected dy of shape \(2,\)"):
        layer.backward(dy)


def test_modules_are_found_in_attributes_lists_and_dicts():
    class Net(fl.Module):
        def __init__(self):
            self.one = nn.Linear(1, 2)
            self.many = [nn.Linear(2, 2), nn.Linear(2, 2)]
            self.named = {"head": nn.Linear(2, 1, bias=False)}
            self.scale = fl.Parameter(np.ones(1, "float32"))

    assert [name for name, _ in Net().named_parameters()] == [
        "scale",
        "one.weight",
        "one.bias",
        "many.0.weight",
        "many.0.bias",
        "many.1.weight",
        "many.1.bias",
        "named.head.weight",
    ]


def test_a_shared_parameter_counts_once():
    one, two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    two.weight = one.weight
    net = nn.Sequential(one, two)
    assert len(net.parameters()) == 1
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    x = np.ones((1, 3), "float32")
    before = one.weight.data.copy()
    dy = np.array([[1.0, 2.0, 3.0]], "float32")
    hidden = one(x)
    one.train()
    net(x)
    net.backward(dy)
    expected = dy.T @ hidden + (dy @ before).T @ x  # one term for each use
    np.testing.assert_allclose(one.weight.grad, expected, rtol=1e-6)
    optimizer.step()
    np.testing.assert_allclose(two.weight.data, before - expected, rtol=1e-6)


def test_parameters_cannot_be_rebound():
    layer = nn.Linear(2, 2)
    with pytest.raises(AttributeError, match=r"write into it with p.data\[\.\.\.\] = values"):
        layer.weight.data = np.zeros((2, 2))
    with pytest.raises(AttributeError, match="cannot be replaced"):
        layer.weight.grad = np.zeros((2, 2))
    layer.weight.grad += 1  # in place is what backward passes do
    assert (layer.weight.grad == 1).all()


def test_parameters_are_aligned_windows_of_two_flat_arrays():
    net = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    values = net.state_dict()
    flat = optim.SGD(net.parameters(), lr=0.1).flat
    for name, parameter in net.named_parameters():
        assert np.shares_memory(parameter.data, flat.data)
        assert np.shares_memory(parameter.grad, flat.grad)
        offset = parameter.data.ctypes.data - flat.data.ctypes.data
        assert offset % 64 == 0
        np.testing.assert_array_equal(parameter.data, values[name])


def test_state_dict_is_a_copy_and_loads_back():
    net, other = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2))
    net(np.random.default_rng(0).normal(size=(8, 2)).astype("float32"))
    state = net.state_dict()
    assert {"0.weight", "1.running_mean"} <= set(state)
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    state["0.weight"][:] = 0
    assert net.layers[0].weight.data.any()


def test_load_state_dict_names_what_does_not_fit():
    net = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="missing: weight.*unexpected: wieght .is it weight"):
        net.load_state_dict({"wieght": np.zeros((3, 2)), "bias": np.zeros(3)})
    with pytest.raises(ValueError, match=r"weight is \(3, 2\) here and \(2, 3\) there"):
        net.load_state_dict({"weight": np.zeros((2, 3)), "bias": np.zeros(3)})
    before = net.bias.data.copy()
    with pytest.raises(ValueError, match="shapes differ"):
        net.load_state_dict({"bias": np.zeros(3), "weight": np.zeros(1)})
    np.testing.assert_array_equal(net.bias.data, before)  # nothing is half loaded
    net.load_state_dict({"bias": np.full(3, 7.0), "other": np.zeros(1)}, strict=False)
    assert (net.bias.data == 7).all()


def test_to_changes_the_dtype_of_floats():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to(dtype="float64")
    assert {str(array.dtype) for array in net.state_dict().values() if array.ndim} == {"float64"}
    assert net(np.ones((4, 2))).dtype == "float64"


@pytest.mark.parametrize("dtype", ["int32", "float17", 3])
def test_to_refuses_other_dtypes(dtype):
    with pytest.raises(TypeError, match="expected one of float16, float32, float64"):
        nn.Linear(1, 1).to(dtype=dtype)


def test_an_optimizer_made_before_a_move_says_so():
    net = nn.Linear(2, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    net.to(dtype="float64")
    with pytest.raises(RuntimeError, match="have moved to other memory"):
        optimizer.step()


def test_freeze_and_unfreeze():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net.layers[0].freeze()
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    before = net.state_dict()
    for parameter in net.parameters():
        parameter.grad[...] = 1
    optimizer.step()
    moved = {n for n, array in net.state_dict().items() if (array != before[n]).any()}
    assert moved == {"1.weight", "1.bias"}
    net.unfreeze()
    optimizer.step()
    assert (net.layers[0].weight.data == before["0.weight"] - 1).all()


def test_repr_shows_the_tree():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(2, 3, bias=True)\n  (1): ReLU()\n)"
    )


def test_linear_names_width_and_dtype():
    layer = nn.Linear(784, 10)
    with pytest.raises(
        ValueError, match=r"last axis 784 \(in_features\), got shape \(2, 28, 28\); "
    ):
        layer(np.zeros((2, 28, 28), "float32"))
    with pytest.raises(TypeError, match="expected x of dtype float32 .the layer's., got float64"):
        layer(np.zeros((2, 784)))
    with pytest.raises(ValueError, match="in_features and out_features of 1 or more"):
        nn.Linear(0, 3)


def test_a_first_layer_skips_dx():
    layer = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, needs_dx=False))
    layer(np.ones((3, 2, 2), "float32"))
    assert layer.backward(np.ones((3, 2), "float32")) is None
    assert layer.layers[1].weight.grad.any()


def test_containers_check_what_they_are_given():
    with pytest.raises(TypeError, match="Sequential: expected modules, got .* at position 1"):
        nn.Sequential(nn.ReLU(), [nn.ReLU()])
    with pytest.raises(
        ValueError, match=r"expected Linear to keep the shape \(3, 2\), got \(3, 1\)"
    ):
        nn.Residual(nn.Linear(2, 1))(np.ones((3, 2), "float32"))


def test_a_copy_of_a_model_has_memory_of_its_own():
    net = nn.Linear(2, 2)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    for twin, its_optimizer in (
        copy.deepcopy((net, optimizer)),
        pickle.loads(pickle.dumps((net, optimizer))),
    ):
        assert not np.shares_memory(twin.weight.data, net.weight.data)
        np.testing.assert_array_equal(twin.weight.data, net.weight.data)
        with pytest.raises(RuntimeError, match="make the optimizer afterwards"):
            its_optimizer.step()  # it would move memory that is nobody's
        before = twin.weight.data.copy()
        twin.weight.grad[...] = 1
        optim.SGD(twin.parameters(), lr=1.0).step()
        np.testing.assert_array_equal(twin.weight.data, before - 1)


def test_a_layer_may_refuse_to_train():
    class Frozen(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    net = nn.Sequential(Frozen(2), nn.Linear(2, 2)).train()
    assert (net.layers[0].training, net.layers[1].training) == (False, True)


def test_a_module_cannot_contain_itself():
    net = nn.Sequential(nn.Linear(1, 1))
    net.layers[0].parent = net
    with pytest.raises(ValueError, match="0.parent leads back to the Sequential that contains it"):
        net.parameters()


def test_a_state_that_cannot_be_loaded_changes_nothing():
    net = nn.Linear(2, 1)
    before = net.state_dict()
    with pytest.raises(ValueError, match="could not convert"):
        net.load_state_dict({"weight": np.zeros((1, 2)), "bias": np.array(["a"])})
    np.testing.assert_array_equal(net.weight.data, before["weight"])


def test_a_part_of_a_sequential():
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    assert isinstance(net[:2], nn.Sequential)
    assert net[:2][0] is net[0]
    assert net[-1] is net.layers[2]


# --- taken for something else ------------------------------------------------------------------


@pytest.mark.parametrize(
    "compute",
    [
        lambda w: np.ones((1, 2)) @ w,
        lambda w: w @ np.ones((2, 1)),
        lambda w: np.ones(2) + w,
        lambda w: w * np.ones(2),
        lambda w: np.exp(w),
        lambda w: np.dot(np.ones((1, 2)), w),
        lambda w: np.einsum("ij,jk", np.ones((1, 2)), w),
        lambda w: np.asarray(w),
        lambda w: np.array([w, w]),
        lambda w: np.sum(w),
    ],
)
def test_arithmetic_with_a_parameter_says_data(compute):
    weight = fl.Parameter(np.ones((2, 2)))
    with pytest.raises(TypeError, match=r"Parameter of shape \(2, 2\).*@ self.weight.data"):
        compute(weight)


@pytest.mark.parametrize(
    ("came", "message"),
    [
        ("runs/a/best.safetensors", r"got a str; read the file first: .*Checkpoint.load\('runs/a"),
        (Path("best.safetensors"), r"got a PosixPath; read the file first: "),
        (fl.Checkpoint({}), r"got a Checkpoint; pass its model: load_state_dict\(check"),
        ([], "got a list; pass the result of state_dict"),
    ],
)
def test_load_state_dict_of_no_dict(came, message):
    with pytest.raises(TypeError, match=f"Linear.load_state_dict: expected a dict.*{message}"):
        nn.Linear(1, 1).load_state_dict(came)
    with pytest.raises(TypeError, match="Linear.from_torch: expected a state_dict"):
        nn.Linear(1, 1).from_torch(came)
