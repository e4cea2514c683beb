"""The graph that is found by running a model has the model's layers and no other edges."""

import hashlib

import numpy as np
import pytest

import firstlight as fl
from firstlight import models, nn
from firstlight.support import rng
from firstlight.tools.layer_graph import model_graph

IMAGES = np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
TOKENS = np.arange(2 * 16).reshape(2, 16) % 20
SERIES = np.ones((2, 8, 3), "float32")
MODELS = {
    "mlp": lambda: (models.MLP(64, 10), IMAGES),
    "cnn": lambda: (models.CNN((8, 8, 1), 10), IMAGES),
    "resnet": lambda: (models.ResNet((8, 8, 1), 10), IMAGES),
    "vit": lambda: (models.ViT((8, 8, 1), 10), IMAGES),
    "gpt": lambda: (models.GPT(20, 16, n_layer=2, n_head=2, n_embd=16), TOKENS),
    "polynomial": lambda: (models.Polynomial(), np.ones((2, 1), "float32")),
    "lstm": lambda: (nn.Sequential(nn.LSTM(3, 5), nn.Linear(5, 2)), SERIES),
}


@pytest.fixture(params=MODELS)
def drawn(request):
    module, x = MODELS[request.param]()
    return module, x, model_graph(module, x)


def test_edges_lead_from_the_input_to_the_loss(drawn):
    module, _, nodes = drawn
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    place = {name: index for index, name in enumerate(names)}
    for node in nodes:
        assert all(place[name] < place[node.name] for name in node.inputs), node
    used = {name for node in nodes for name in node.inputs}
    assert set(names) - used == {names[-1]}, "only the end is used by nobody"
    assert nodes[-1].op == type(module.loss).__name__ if hasattr(module, "loss") else True


def test_every_parameter_is_in_one_node(drawn):
    module, _, nodes = drawn
    inside = sum(node.parameters for node in nodes)
    own = [value for value in vars(module).values() if isinstance(value, fl.parameter.Parameter)]
    shared = getattr(module, "lm_head", None)  # of GPT: the weights of the embedding again
    twice = module.wte.weight.size if shared and shared.weight is module.wte.weight else 0
    assert inside == sum(p.size for p in module.parameters()) - sum(p.size for p in own) + twice


def test_the_model_is_left_as_it_was(drawn):
    module, x, _ = drawn

    def fingerprint():
        arrays = b"".join(value.tobytes() for value in module.state_dict().values())
        attributes = [sorted(vars(part)) for part in module.modules()]
        return hashlib.sha256(arrays).digest(), repr(rng.state_dict()), attributes, module.training

    module(x)  # saves for backward
    before, stacks = fingerprint(), [part._stack for part in module.modules()]
    kept = [list(stack) for stack in stacks]
    model_graph(module, x)
    assert fingerprint() == before
    for part, stack, items in zip(module.modules(), stacks, kept, strict=True):
        assert part._stack is stack
        assert len(stack) == len(items)


def test_shortcuts_are_two_edges_into_a_sum():
    module, x = MODELS["gpt"]()
    nodes = {node.name: node for node in model_graph(module, x)}
    assert nodes["Block_0/add"].inputs == ["drop", "Block_0/resid_dropout"]
    assert nodes["Block_0/add_1"].inputs == ["Block_0/add", "Block_0/mlp/dropout"]
    assert nodes["Block_1/ln_1"].inputs == ["Block_0/add_1"]
    assert nodes["Block_0/attn"].op == "MultiHeadAttention"
    assert nodes["lm_head"].shape == (2, 16, 20)


def test_sums_into_a_part_of_an_array_are_found():
    class Pads(fl.Module):
        def __init__(self):
            self.wide, self.head = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x):
            y = self.wide(x)
            y[:, :4] += x
            return self.head(np.concatenate([y[:, :3], y[:, 3:]], axis=1))

    nodes = {node.name: node for node in model_graph(Pads(), np.ones((2, 4), "float32"))}
    assert nodes["add"].inputs == ["wide", "input"]
    assert nodes["concatenate"].inputs == ["add"]
    assert nodes["head"].inputs == ["concatenate"]


def test_a_layer_that_is_applied_to_constants_is_a_node():
    class Places(fl.Module):
        def __init__(self):
            self.token, self.place = nn.Embedding(20, 4), nn.Embedding(16, 4)

        def forward(self, x):
            return self.token(x) + self.place(np.arange(x.shape[1]))

    nodes = model_graph(Places(), TOKENS)
    assert [node.name for node in nodes] == ["input", "token", "place", "add"]
    assert nodes[-1].inputs == ["token", "place"]


def test_outputs_in_nested_tuples_are_found():
    class Pair(fl.Module):
        def __init__(self):
            self.layer = Inner()

        def forward(self, x):
            y, (_, z) = self.layer(x)
            return y * z

    class Inner(fl.Module):
        def forward(self, x):
            return x + 1, (x, x - 1)

    nodes = model_graph(Pair(), SERIES)
    assert [(n.name, n.inputs) for n in nodes[1:]] == [
        ("layer", ["input"]),
        ("multiply", ["layer"]),
    ]


def test_a_layer_that_runs_twice_is_two_nodes():
    class Twice(fl.Module):
        def __init__(self):
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    nodes = model_graph(Twice(), np.ones((2, 3), "float32"))
    assert [(n.name, n.inputs) for n in nodes] == [
        ("input", []),
        ("layer", ["input"]),
        ("layer_1", ["layer"]),
    ]
