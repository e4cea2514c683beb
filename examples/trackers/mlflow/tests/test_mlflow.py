"""Runs in MLflow: its local store, read again with its client."""

import pytest
from firstlight_mlflow import MLflow
from mlflow import MlflowClient

import firstlight as fl
from firstlight import plugins
from firstlight.runs import find_run
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Return the address of a new store; making its tables takes MLflow seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def client(tmp_path, store, monkeypatch):
    """Work in an empty folder, and return a client of the store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return MlflowClient(store)


def only_run(client, project):
    (run,) = client.search_runs([client.get_experiment_by_name(project).experiment_id])
    return run


def curve(client, run, name):
    points = client.get_metric_history(run.info.run_id, name)
    return [(point.step, point.value) for point in points]


def check_curves(client, run, history):
    for name in ("train_loss_step", "val_loss"):
        expected = list(zip(history.steps(name), history[name], strict=True))
        assert curve(client, run, name) == expected
    _, best = max(curve(client, run, "best.val_loss"))  # the one at the last step
    assert best == history.best("val_loss")["val_loss"]


def test_firstlight_finds_the_plugin():
    assert plugins.registry("callback").get("mlflow") is MLflow


def test_it_keeps_the_laws():
    check_callback(MLflow)


def test_a_training_and_its_test_are_one_run(client):
    trainer = tiny_trainer([MLflow("one")], runs_dir="runs")
    metrics = trainer.test(trainer.module, tiny_data())
    run = only_run(client, "one")
    assert run.info.run_name == MLflow.title(trainer.run)
    assert run.info.status == "FINISHED"
    assert "pytest" in run.data.tags["mlflow.source.name"]
    assert run.data.params["optimizer.name"] == "Adam"
    check_curves(client, run, trainer.history)
    assert curve(client, run, "test_loss") == [(6, metrics["test_loss"])]


def test_a_resumed_training_continues_its_run(client):
    callbacks = [MLflow("resumed"), "model_checkpoint"]
    tiny_trainer(callbacks, runs_dir="runs", max_steps=3)
    trainer = fl.Trainer(
        max_steps=6, callbacks=callbacks, default_callbacks=False, log_every_n_steps=1
    )
    trainer.fit(TinyNet(), tiny_data(), resume="last")
    run = only_run(client, "resumed")
    assert run.data.tags["resumed"] == "true"
    check_curves(client, run, trainer.history)


def test_a_run_is_exported(client):
    trainer = tiny_trainer(runs_dir="runs")
    id = MLflow("exported").export(find_run())
    run = only_run(client, "exported")
    assert run.info.run_id == id
    check_curves(client, run, trainer.history)


def test_odd_names_and_values_are_taken(client):
    class Odd(fl.Callback):
        def on_train_epoch_end(self, trainer):
            trainer.log({"a[0] %": float("nan"), "b": float("inf")})

    tiny_trainer([MLflow("odd"), Odd()], runs_dir="runs")
    run = only_run(client, "odd")
    assert len(curve(client, run, "a_0_ _")) == len(curve(client, run, "b")) == 2
