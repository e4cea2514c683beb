"""Which runs an expression chooses, and what is no expression."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.runs import list_runs
from firstlight.runs.query import Condition, lookup


@pytest.fixture
def three(make_run):
    make_run("a/1", [0.5, 0.1], model={"name": "mlp", "lr": 0.1, "hidden": [64]}, seed=1)
    make_run("a/2", [0.5, 0.3], model={"name": "mlp", "lr": 0.01, "hidden": [64, 32]})
    make_run("b/3", [0.2, 0.6], model={"name": "cnn", "lr": 0.1}, status="failed", extra=None)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("val_acc > 0.6", "12"),
        ("val_acc > 0.6 and model.lr < 0.1", "2"),
        ("val_acc > 0.6 or model.name == 'cnn'", "123"),
        ("not val_acc > 0.6", "3"),
        ("0.2 < val_loss <= 0.3", "2"),
        ("best.val_loss < 0.25", "13"),
        ("best.val_loss.epoch == 1", "3"),
        ("lr == 0.1", "13"),
        ("model == 'cnn'", "3"),
        ("status != 'finished'", "3"),
        ("name in ('b', 'c')", "3"),
        ("name not in ['b']", "12"),
        ("model.hidden == '64,32'", "2"),
        ("model.hidden == [64, 32]", "2"),
        ("64 in model.hidden", "12"),
        ("model.name < 3", ""),  # cannot be compared: not fulfilled
        ("val_acc", "123"),
        ("extra == None", "3"),
        ("val_acc > -1", "123"),
        ("epochs == 2 and steps >= 20 and duration < 3", "123"),
    ],
)
def test_an_expression_keeps_the_runs_of_which_it_is_true(three, text, ids):
    assert "".join(run.id for run in list_runs(where=text)) == ids


def test_a_run_that_lacks_a_name_does_not_fulfil_a_comparison(three):
    assert [run.id for run in list_runs(where="model.hidden != '64'")] == ["2"]
    assert [run.id for run in list_runs(where="not model.hidden == '64'")] == ["2", "3"]


@pytest.mark.parametrize(
    ("key", "ids"),
    [("val_loss", "123"), ("-val_loss", "321"), ("best.val_loss", "132"), ("model.name", "312")],
)
def test_runs_are_sorted(three, key, ids):
    assert "".join(run.id for run in list_runs(sort=key)) == ids


def test_runs_that_lack_what_is_sorted_by_come_last(three):
    assert [run.id for run in list_runs(sort="model.hidden")][-1] == "3"
    assert [run.id for run in list_runs(sort="-model.hidden")][-1] == "3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val_ac > 0.9", "no run has 'val_ac'; did you mean val_acc?"),
        ("model.rl > 0.9", "no run has 'model.rl'; did you mean model.lr?"),
        ("zzzz > 1", "no run has 'zzzz'; there are name, id, status"),
        ("val_acc >", r"'val_acc >' is no expression \(invalid syntax"),
        ("", "is no expression"),
        ("val_acc = 1", "is no expression"),
        ("__import__('os').system('true')", "is not known here"),
        ("val_acc.__class__()", "is not known here"),
        ("[x for x in tags]", "is not known here"),
        ("lambda: 1", "is not known here"),
        ("val_acc[0] > 1", r"'val_acc\[0\]' is not known here"),
        ("val_acc + 1 > 1", r"'val_acc \+ 1' is not known here"),
        ("2 ** 9999 > 1", "is not known here"),
        ("val_acc is None", "compare with ==, not with 'is'"),
        ("f'{val_acc}' == 'a'", "is not known here"),
    ],
)
def test_what_is_no_condition_is_refused(three, text, message):
    with pytest.raises(ValueError, match=message):
        list_runs(where=text)


def test_attributes_are_names_never_python_attributes(three):
    run = list_runs()[0]
    assert lookup(run, "path") is None
    assert not Condition("path.name == 'x' or __class__ == 1").holds(run)


def test_no_runs_is_no_error():
    assert list_runs(where="anything > 1", sort="-anything") == []


@pytest.mark.parametrize("name", ["val_loss/clean", "best.val_loss/a-b", "val_acc/2", "val_acc"])
def test_metrics_of_several_validation_sets_are_names(name):
    condition = Condition(f"0 < {name} <= 0.3 and status == 'finished'")
    assert condition.names == [name, "status"]


def test_runs_are_chosen_by_a_metric_of_one_validation_set(tmp_path):
    x = np.zeros((4, 64), "float32")
    sets = {"right": (x, np.zeros(4, int)), "wrong": (x, np.ones(4, int))}
    model = fl.models.MLP(64, 2, hidden=(4,), norm=None)
    fl.Trainer(max_epochs=1, runs_dir=tmp_path).fit(model, sets["right"], sets)
    (run,) = list_runs(tmp_path, where="val_loss/right != val_loss/wrong")
    right, wrong = run.metrics["val_loss/right"], run.metrics["val_loss/wrong"]
    assert len(list_runs(tmp_path, where="val_loss/right < best.val_loss/wrong")) == (right < wrong)
    assert len(list_runs(tmp_path, where="val_loss/right > best.val_loss/wrong")) == (right > wrong)
