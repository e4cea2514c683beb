"""A check ends with a report, and with JSON, for whatever module, data or script it gets."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.callbacks import Check
from firstlight.tools.cli.main import main
from firstlight.tools.diagnose import check

X = np.random.default_rng(0).standard_normal((12, 4)).astype("float32")
Y = X[:, :3].argmax(axis=1)


class Own(fl.Module):
    """A right layer with a weight, whose methods the cases replace."""

    def __init__(self, **methods):
        self.w = fl.Parameter(np.ones((4, 3), "float32") * np.arange(3, dtype="float32"))
        self.loss = nn.CrossEntropyLoss()
        for name, method in methods.items():
            setattr(self, name, method.__get__(self))

    def forward(self, x):
        self.save(x)
        return x @ self.w.data

    def backward(self, dy):
        (x,) = self.saved()
        self.w.grad += x.T @ dy
        return dy @ self.w.data.T

    def configure_optimizer(self):
        return fl.optim.SGD(self.parameters(), lr=0.1)


def raising(error):
    def method(self, *_):
        raise error

    return method


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


METHODS = {
    "forward returns None": {"forward": lambda self, x: None},
    "forward returns a generator": {"forward": lambda self, x: (row for row in x)},
    "forward returns a text": {"forward": lambda self, x: "scores"},
    "forward returns a dict": {"forward": lambda self, x: {"scores": x @ self.w.data}},
    "forward returns nested tuples": {"forward": lambda self, x: (x @ self.w.data, (x, None))},
    "forward returns a list": {"forward": lambda self, x: (x @ self.w.data).tolist()},
    "forward returns a number": {"forward": lambda self, x: 1.0},
    "forward returns integers": {"forward": lambda self, x: x.astype(int)},
    "forward returns objects": {"forward": lambda self, x: np.array([self, None, {}], object)},
    "forward returns nothing but NaN": {"forward": lambda self, x: x[:, :3] * np.nan},
    "forward returns an empty array": {"forward": lambda self, x: x[:0, :3]},
    "forward takes nothing": {"forward": lambda self: np.ones(3)},
    "forward raises": {"forward": raising(RuntimeError("no"))},
    "forward raises without words": {"forward": raising(Unprintable())},
    "forward recurses": {"forward": lambda self, x: self.forward(x)},
    "backward raises": {"backward": raising(KeyError("w"))},
    "backward takes nothing": {"backward": lambda self: None},
    "backward takes more": {"backward": lambda self, dy, beta, gamma: dy},
    "backward returns a text": {"backward": lambda self, dy: "dx"},
    "backward returns a dict": {"backward": lambda self, dy: {"dx": dy}},
    "backward returns tuples": {"backward": lambda self, dy: (dy, (None, "x"), [dy])},
    "backward returns a number": {"backward": lambda self, dy: 3},
    "backward returns objects": {"backward": lambda self, dy: np.array([None, self], object)},
    "backward returns float16": {"backward": lambda self, dy: (dy @ self.w.data.T).astype("f2")},
    "step returns None": {"training_step": lambda self, batch: None},
    "step returns a number": {"training_step": lambda self, batch: 0.5},
    "step has a text as loss": {"training_step": lambda self, batch: fl.StepOutput("low", batch)},
    "step has no dy": {"training_step": lambda self, batch: fl.StepOutput(0.5)},
    "step has an array as loss": {"training_step": lambda self, b: fl.StepOutput(b[0], b[0])},
    "no optimizer": {"configure_optimizer": lambda self: None},
    "optimizer raises": {"configure_optimizer": raising(ZeroDivisionError("lr"))},
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    assert_reported(check(Own(**METHODS[name]), (X, Y)))


def with_state(change):
    model = Own()
    change(model)
    return model


class Magic(Own):
    """Has every attribute, and its own slots."""

    __slots__ = ("hidden",)

    def __getattr__(self, name):
        if name.startswith("_") or name == "hidden":
            raise AttributeError(name)
        return lambda *_, **__: self


class Lazy(Own):
    """Builds its state in the first forward."""

    h = None
    cache = None

    def forward(self, x):
        if self.cache is None:
            self.cache = np.zeros((len(x), 3), x.dtype)
        self.save(x)
        return x @ self.w.data + 0 * self.cache[: len(x)]


def holding_each_other():
    one, other = Own(), Own()
    one.other, other.other = other, one
    return one


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def in_itself():
    value = []
    value.append(value)
    return value


class Box:
    def __init__(self):
        self.layer = nn.Linear(2, 2)


STATES = {
    "float64": lambda: with_state(lambda m: m.to(dtype="float64")),
    "integers as parameters": lambda: with_state(
        lambda m: setattr(m, "w", fl.Parameter(np.ones((4, 3), int)))
    ),
    "half parameters": lambda: with_state(
        lambda m: setattr(m, "w", fl.Parameter(np.ones((4, 3), "float16")))
    ),
    "NaN in a parameter": lambda: with_state(lambda m: m.w.data.fill(np.nan)),
    "an empty parameter": lambda: with_state(
        lambda m: setattr(m, "v", fl.Parameter(np.zeros((0, 3), "float32")))
    ),
    "a parameter of no axes": lambda: with_state(
        lambda m: setattr(m, "v", fl.Parameter(np.array(2.0, "float32")))
    ),
    "holding each other": holding_each_other,
    "holding itself": lambda: with_state(lambda m: setattr(m, "me", m)),
    "a list in itself": lambda: with_state(lambda m: setattr(m, "rows", in_itself())),
    "deep lists": lambda: with_state(lambda m: setattr(m, "deep", nested(2000))),
    "a generator": lambda: with_state(lambda m: setattr(m, "rows", (i for i in range(3)))),
    "a lock": lambda: with_state(lambda m: setattr(m, "lock", __import__("threading").Lock())),
    "a lambda": lambda: with_state(lambda m: setattr(m, "act", lambda x: x)),
    "an open file": lambda: with_state(lambda m: setattr(m, "file", open(__file__))),  # noqa: SIM115
    "a set of layers": lambda: with_state(lambda m: setattr(m, "parts", {nn.ReLU()})),
    "an object with layers": lambda: with_state(lambda m: setattr(m, "box", Box())),
    "magic attributes": Magic,
    "a lazy state": Lazy,
    "no parameters": nn.ReLU,
    "no methods": fl.Module,
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", STATES)
def test_states(name):
    assert_reported(check(STATES[name](), (X, Y)))


def test_a_lazy_state_is_right():
    assert check(Lazy(), (X, Y), train=False).ok


DATA = {
    "no samples": (X[:0], Y[:0]),
    "one sample": (X[:1], Y[:1]),
    "NaN": (X * np.nan, Y),
    "infinity": (np.full_like(X, np.inf), Y),
    "texts as labels": (X, np.array(["a", "b", "c"] * 4)),
    "objects as labels": (X, np.array([None, 1, "x"] * 4, object)),
    "negative labels": (X, Y - 5),
    "labels beyond": (X, Y + 7),
    "float labels": (X, Y.astype("float32")),
    "labels of another length": (X, Y[:5]),
    "complex inputs": (X * 1j, Y),
    "booleans": (X > 0, Y),
    "integers": (X.astype(int), Y),
    "inputs of one axis": (X[:, 0], Y),
    "inputs of no axes": (np.float32(3), Y),
    "too many features": (np.hstack([X, X]), Y),
    "dicts": [{"x": X, "y": Y}],
    "an empty dict": [{}],
    "lists": [[X, Y]],
    "triples": [(X, Y, Y)],
    "numbers": [1, 2],
    "an empty loader": [],
    "None": None,
    "a text": "digits",
    "an array": X,
    "an array of texts": np.array(["a", "b"]),
}


@pytest.mark.parametrize("name", DATA)
def test_data(name):
    assert_reported(check(Own(), DATA[name]))


def assert_reported(report):
    json.dumps(report.to_dict())
    assert str(report)
    assert report.exit_code in (0, 1, 3)


HEAD = "import numpy as np\nimport firstlight as fl\nfrom firstlight import nn, optim\n"
LOOP = """
x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
net, loss = nn.Sequential(nn.Linear(4, 3)), nn.CrossEntropyLoss()
opt = optim.SGD(net.parameters(), lr=0.1)
for i in range(5):
    loss(net(x), x[:, :3].argmax(axis=1))
    net.backward(loss.backward())
    opt.step()
    opt.zero_grad()
"""
SCRIPTS = {
    "empty": "",
    "a syntax error": "def (",
    "no training": "x = 1",
    "a missing name": HEAD + "net = Net()",
    "a missing module": "import no_such_module",
    "raises at once": "raise KeyError(3)",
    "exits": "import sys; sys.exit(4)",
    "recursion": "f = lambda: f()\nf()",
    "raises behind its loop": HEAD + LOOP + "1 / 0",
    "exits behind its loop": HEAD + LOOP + "raise SystemExit('done')",
    "raises in its loop": HEAD + LOOP + "    x = x[:, :2]",
    "an unprintable error": "class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E",
    "a binary file": "\x00\x01",
    "deletes its modules": "import sys\nsys.modules.clear" + HEAD,
    "prints much": HEAD + LOOP + "print('{' * 1000)",
    "a lambda as model": HEAD + "fl.Trainer().fit(lambda x: x, (1, 2))",
    "data of no samples": HEAD + "fl.Trainer().fit(nn.Linear(2, 2), (np.ones((0, 2)), np.ones(0)))",
    "two optimizers": HEAD + LOOP + "optim.Adam(net.parameters(), lr=1)",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name, tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(SCRIPTS[name])
    code = main(["check", str(script), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (code == 0)
    assert code in (0, 1, 2, 3)


@pytest.mark.parametrize(
    "words", [["nowhere.py"], ["nowhere.py:Net"], ["--model", "none"], ["--x"]]
)
def test_refusals_are_json(words, capsys):
    assert main(["check", *words, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert found["error"]


def test_an_exception_of_a_script_is_a_finding_with_its_line(tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(HEAD + LOOP + "    net(x[:, :2])\n")
    assert main(["check", str(script), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["kind"] == "raises"
    assert found["at"]["code"] == "net(x[:, :2])"
    assert found["at"]["line"] == (HEAD + LOOP).count("\n") + 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["backward takes more", "forward returns a generator"])
def test_the_callback_ends_a_training_for_findings_only(name):
    report = check(Own(**METHODS[name]), (X, Y), train=False)
    judged = [one for one in report.findings if one not in report.unjudged]
    trainer = fl.Trainer(max_epochs=1, runs_dir=None, default_callbacks=False)
    trainer.train_loader, callback = [(X, Y)], Check("raise", train=False)
    if judged:
        with pytest.raises(ValueError, match="Check: "):
            callback.on_fit_start(trainer, Own(**METHODS[name]))
    else:
        callback.on_fit_start(trainer, Own(**METHODS[name]))
