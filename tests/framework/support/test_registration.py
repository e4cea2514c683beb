"""Which parts of a module are registered, and that no other is passed over in silence."""

from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim
from firstlight.checkpoints.snapshot import generators
from firstlight.testing import TinyNet, tiny_data
from firstlight.tools.diagnose import check


class Holder(fl.Module):
    """Nothing but an attribute."""

    def __init__(self, parts):
        self.parts = parts


@dataclass
class Heads:
    first: object


def layer():
    return nn.Linear(2, 2, bias=False)


def names(parts):
    return [name for name, _ in Holder(parts).named_parameters()]


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: [[layer()], [layer(), layer()]], ["0.0", "1.0", "1.1"]),
        (lambda: {"a": [layer()], "b": (layer(),)}, ["a.0", "b.0"]),
        (lambda: [("body", layer()), ("head", layer())], ["0.1", "1.1"]),
        (lambda: {"a": {"b": {"c": layer()}}}, ["a.b.c"]),
        (lambda: OrderedDict(a=layer()), ["a"]),
        (lambda: Pair(layer(), [layer()]), ["0", "1.0"]),
        (lambda: {1: layer(), 2: layer()}, ["1", "2"]),
    ],
)
def test_nested_containers_are_registered_at_any_depth(make, expected):
    assert names(make()) == [f"parts.{name}.weight" for name in expected]


def test_nested_parts_switch_move_save_and_load():
    net = Holder([[nn.Dropout(0.5)], {"a": [nn.BatchNorm1d(2)]}])
    net.eval()
    assert [part.training for part in net.modules()] == [False] * 3
    net.to(dtype="float64")
    state = net.state_dict()
    assert {array.dtype.name for array in state.values()} == {"float64"}
    assert "parts.1.a.0.running_mean" in state
    state["parts.1.a.0.weight"][...] = 5
    net.load_state_dict(state)
    np.testing.assert_array_equal(net.parts[1]["a"][0].weight.data, 5)


def test_what_is_appended_later_is_registered():
    net = Holder([[]])
    assert net.parameters() == []
    net.parts[0].append(layer())
    assert [name for name, _ in net.named_parameters()] == ["parts.0.0.weight"]
    net.parts[0].append({layer()})
    with pytest.raises(TypeError, match=r"Holder.parts.0.1 is a set that holds a Linear"):
        net.parameters()


def test_a_list_may_contain_itself():
    parts = [layer()]
    parts.append(parts)
    assert names(parts) == ["parts.0.weight"]


class Slots:
    __slots__ = ("inner",)


def in_slots():
    slots = Slots()
    slots.inner = layer()
    return slots


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: {layer()}, "set"),
        (lambda: frozenset([layer()]), "frozenset"),
        (lambda: {layer(): 1}.keys(), "dict_keys"),
        (lambda: deque([layer()]), "deque"),
        (lambda: Heads(layer()), "Heads"),
        (lambda: [Heads([{"a": layer()}])], "Heads"),
        (lambda: Heads(Heads(layer())), "Heads"),
        (lambda: Heads(fl.Parameter(np.ones(2))), "Heads"),
        (in_slots, "Slots"),
        (lambda: partial(layer().forward), "partial"),
        (lambda: layer().forward, "method"),
        (lambda: iter([layer()]), "list_iterator"),
        (lambda: np.array([layer(), None], dtype=object), "ndarray"),
    ],
)
def test_what_holds_a_part_otherwise_is_named(make, kind):
    net = nn.Sequential(Holder(make()))
    message = rf"Sequential.0.parts(.0)? is a {kind} that holds a (Linear|Parameter), which is not"
    for use in (net.parameters, net.state_dict, net.to, lambda: list(net.named_buffers())):
        with pytest.raises(TypeError, match=message):
            use()


def test_a_part_that_is_a_key_is_named():
    net = nn.Sequential(Holder({layer(): 1}))
    with pytest.raises(TypeError, match=r"Sequential.0.parts is a dict with a Linear as a key"):
        net.parameters()


def test_an_object_may_refer_to_what_is_registered():
    net = Holder([layer()])
    net.rates = {net.parts[0]: 0.1}
    net.view = Heads(net.parts[0])
    net.owner = Heads(net)
    net.forwards = {net.parts[0].forward}
    teacher = layer()
    net.teacher = lambda: teacher  # hidden on purpose
    assert len(net.parameters()) == 1
    inner = net.parts[0]
    inner.owner = Heads(net)  # the root's, seen from a part
    assert len(inner.parameters()) == 1


def test_keys_that_name_two_parts_alike():
    with pytest.raises(ValueError, match=r"Holder.parts.1 is the name of two parts.*rename"):
        names({1: layer(), "1": layer()})
    with pytest.raises(ValueError, match=r"Holder.parts.a.b is the name of two parts"):
        names({"a.b": layer(), "a": {"b": layer()}})
    with pytest.raises(ValueError, match=r"Holder.parts.a.weight is the name of two parts"):
        names({"a.weight": fl.Parameter(np.ones(1)), "a": layer()})


@pytest.mark.parametrize("part", [layer(), [layer()], fl.Parameter(np.ones(1))])
def test_a_part_of_a_class_is_named(part):
    kind = type("Net", (fl.Module,), {"body": part})
    with pytest.raises(
        TypeError, match=r"Sequential.0.body is an attribute of the class Net.*init"
    ):
        nn.Sequential(kind()).parameters()


def test_fit_names_it_before_anything_is_trained():
    net = TinyNet()
    net.more = {layer()}
    net.configure_optimizer = lambda: optim.SGD(net.body.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"TinyNet.more is a set that holds a Linear"):
        fl.Trainer(max_epochs=1, runs_dir=None).fit(net, tiny_data())


def test_check_says_not_registered():
    net = TinyNet()
    net.more = {layer()}
    report = check(net, tiny_data())
    assert [finding.kind for finding in report.findings] == ["not-registered"]
    assert "TinyNet.more is a set that holds a Linear" in str(report)
    assert "not registered" in str(report)


def test_a_pytorch_module_is_no_part():
    torch = pytest.importorskip("torch")
    net = Holder(torch.nn.Linear(1, 1))
    net.train()
    assert [name for name, _ in net.named_modules()] == [""]


def test_generators_in_lists_are_saved():
    net = Holder([[np.random.default_rng(0)]])
    assert [name for name, _ in generators(net)] == [".parts.0.0"]
