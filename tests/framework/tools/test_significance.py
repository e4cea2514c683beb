"""Intervals and verdicts of runs, and the results of single samples that they are computed from."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.runs import RunFolder, sample_results
from firstlight.testing import TinyNet, tiny_data
from firstlight.tools._amounts import amounts
from firstlight.tools.cli.main import main
from firstlight.tools.language import speaking
from firstlight.tools.significance import FEWEST, Group, Significance, Verdict, groups


@pytest.fixture
def runs(tmp_path):
    """A function that makes a run of predicted classes, and returns its `RunFolder`."""

    def make(name, predicted, y, seed=0, **more):
        path = tmp_path / "runs" / name / f"2026-01-01_00-00-0{seed}Z_000{seed}_abc{seed}"
        path.mkdir(parents=True)
        (path / "config.json").write_text(json.dumps({"name": name, "seed": seed, "who": name}))
        right = (predicted == y).astype("float64")
        found = {"test_acc": right.mean(), **more}
        summary = {"status": "finished", "metrics": found, "best": {}}
        (path / "summary.json").write_text(json.dumps(summary))
        acc = np.stack([right, np.ones(len(y))], axis=1)
        scores = np.eye(3, dtype="float32")[predicted]
        results = {"target": y, "prediction": scores, "acc": acc}
        sample_results.write(path, results)
        return RunFolder(path)

    return make


def labels(n=300):
    return np.random.default_rng(0).integers(0, 3, n)


def wrong_at(y, *places):
    predicted = y.copy()
    for place in places:
        predicted[place] = (y[place] + 1) % 3
    return predicted


def test_the_better_of_two_runs_is_named(runs):
    y = labels()
    a, b = runs("good", wrong_at(y, slice(5)), y), runs("bad", wrong_at(y, slice(30)), y)
    for pair in ((a, b), (b, a)):
        one, other = groups(pair)
        verdict = Significance([one, other]).verdict("test_acc", one, other)
        assert verdict.better == "good"
        assert abs(verdict.difference) == pytest.approx(25 / 300)
        assert verdict.p < 0.001
        assert verdict.paired
        text = verdict.sentence()
        assert text.startswith("good is better than bad on test accuracy by 8.3 points (95 % inter")
        assert "McNemar p < 0.001; 300 test samples). One seed each" in text


def test_two_alike_are_not_ranked(runs):
    y = labels()
    pair = groups([runs("a", wrong_at(y, slice(20)), y), runs("b", wrong_at(y, slice(5, 28)), y)])
    found = Significance(pair)
    for name in ("test_acc", "test_f1", "test_auc"):
        verdict = found.verdict(name, *pair)
        assert verdict.better is None, name
        assert verdict.low < verdict.difference < verdict.high
    with speaking("de"):
        text = found.verdict("test_acc", *pair).sentence()
    assert text.startswith("Diese Daten zeigen nicht, was bei Testgenauigkeit besser ist: a - b")
    assert "Je ein Seed" in text


def test_pairing_sees_what_two_intervals_do_not(runs):
    y = labels()
    hard = slice(60)  # both are wrong there
    a, b = runs("a", wrong_at(y, hard), y), runs("b", wrong_at(y, slice(72)), y)
    found = Significance(groups([a, b]))
    low_a, _ = found.interval("test_acc", [a])
    _, high_b = found.interval("test_acc", [b])
    assert low_a < high_b  # the intervals overlap
    assert found.verdict("test_acc", *found.groups).better == "a"


def test_seeds_are_a_second_level(runs):
    y, rng = labels(), np.random.default_rng(1)
    made = []
    for name, mistakes in {"a": (10, 40, 20), "b": (15, 60, 45)}.items():
        for seed, count in enumerate(mistakes):
            places = rng.choice(len(y), count, replace=False)
            made.append(runs(name, wrong_at(y, places), y, seed))
    pair = groups(made)
    assert [len(group.runs) for group in pair] == [3, 3]
    found = Significance(pair)
    verdict = found.verdict("test_acc", *pair)
    assert verdict.better is None
    assert verdict.p is None
    assert "3 and 3 seeds" in verdict.sentence()
    one = np.diff(found.interval("test_acc", [made[0]]))
    assert np.diff(found.interval("test_acc", pair[0].runs)) > 2 * one
    first = Group("a", made[:1])
    assert found.verdict("test_acc", first, Group("b", made[4:5])).better == "a"


def test_other_samples_are_not_paired(runs):
    y, z = labels(), labels(400)[::-1]
    pair = groups([runs("a", wrong_at(y, slice(5)), y), runs("b", wrong_at(z, slice(100)), z)])
    verdict = Significance(pair).verdict("test_acc", *pair)
    assert not verdict.paired
    assert verdict.better == "a"
    assert "different test samples, not paired; 300 and 400 test samples" in verdict.sentence()


def with_loss(run, losses):
    """Give the results of a run losses."""
    found = sample_results.read(run.path)
    kept = {name: array for name, array in found.items() if name != "digest"}
    terms = np.stack([losses, np.ones(len(losses))], axis=1)
    sample_results.write(run.path, kept | {"loss": terms})


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_samples_show_nothing_by_bootstrap(runs, count):
    y = labels(count)
    a, b = runs("a", y, y), runs("b", wrong_at(y, slice(None)), y)
    with_loss(a, np.linspace(0.1, 0.2, count))
    with_loss(b, np.linspace(0.8, 0.9, count))
    found = Significance(groups([a, b]))
    verdict = found.verdict("test_loss", *found.groups)
    assert verdict is None if count == 1 else verdict.better is None
    assert (found.interval("test_loss", [a]) is None) == (count == 1)
    right = Group("a", [runs("a", y, y, seed) for seed in (1, 2)])
    wrong = Group("b", [runs("b", wrong_at(y, slice(None)), y, 1)])
    verdict = Significance([right, wrong]).verdict("test_acc", right, wrong)
    assert verdict is None or verdict.better is None


def test_a_loss_that_is_not_finite_has_no_interval(runs):
    y = labels()
    a, b = runs("a", y, y), runs("b", y, y)
    with_loss(a, np.r_[np.inf, np.ones(299)])
    with_loss(b, np.ones(300))
    found = Significance(groups([a, b]))
    assert found.interval("test_loss", [a]) is None
    assert found.verdict("test_loss", *found.groups) is None


def test_results_that_are_not_of_the_recorded_metric_are_not_used(runs):
    y = labels()
    a = runs("a", wrong_at(y, slice(9)), y, test_acc=0.5, test_f1=0.123)
    assert Significance(groups([a])).interval("test_acc", [a]) is None  # of another test
    assert Significance(groups([a])).interval("test_f1", [a]) is None  # a script's own f1


def test_the_interval_of_a_difference_of_shares_ends_at_the_largest_one(runs):
    y = labels()
    counts = {"a": (0, 30), "b": (200, 300)}
    made = [
        runs(n, wrong_at(y, slice(k)), y, seed)
        for n, c in counts.items()
        for seed, k in enumerate(c)
    ]
    pair = groups(made)
    assert Significance(pair).verdict("test_acc", *pair).high == 1


def test_runs_of_one_seed_are_not_taken_for_seeds(runs):
    y = labels()
    first = [runs("a", y, y, seed) for seed in (0, 1)]
    second = [runs("b", y, y, seed) for seed in (0, 1)]  # the code was changed, no setting
    for run in (*first, *second):
        seed = run.config["seed"]
        text = json.dumps({"name": "x", "seed": seed, "config": {"seed": seed}})
        (run.path / "config.json").write_text(text)
    made = [RunFolder(run.path) for run in (*first, *second)]
    assert [[run.path for run in group.runs] for group in groups(made)] == [
        [run.path for run in first],
        [run.path for run in second],
    ]
    assert len({group.label for group in groups(made)}) == 2


def test_a_run_without_results_has_no_interval(runs, tmp_path):
    y = labels()
    a, b = runs("a", y, y), runs("b", y, y)
    for content in (None, b"no zip", b""):
        file = b.path / sample_results.FILE
        file.unlink() if content is None else file.write_bytes(content)
        found = Significance(groups([a, b]))
        assert found.without() == [b]
        assert found.interval("test_acc", [b]) is None
        assert found.verdict("test_acc", *found.groups) is None
    assert found.interval("test_acc", [a])[1] == 1
    assert found.interval("val_acc", [a]) is None
    assert found.interval("test_unknown", [a]) is None
    np.savez(tmp_path / "odd.npz", acc=np.zeros(3), digest=np.array("x"))
    (tmp_path / "odd.npz").rename(b.path / sample_results.FILE)
    assert sample_results.read(b.path) == {}


@pytest.mark.parametrize(
    ("metric", "numbers", "expected"),
    [
        ("test_acc", (0.0123, 0.004, 0.0203), ("1.2 points", "0.4", "2.0")),
        ("test_acc", (0.5, 0.4, 0.6), ("50 points", "40", "60")),
        ("test_f1_macro", (0.0012, 0.0004, 0.002), ("0.12 points", "0.04", "0.20")),
        ("test_top5", (0.0, 0.0, 0.0), ("0.000 points", "0.000", "0.000")),
        ("test_loss", (0.0123, 0.004, 0.0203), ("0.012", "0.004", "0.020")),
    ],
)
def test_amounts_have_the_digits_that_the_interval_allows(metric, numbers, expected):
    assert amounts(metric, *numbers) == expected


def test_the_interval_and_mcnemar_must_agree():
    facts = {"difference": 0.02, "low": 0.001, "high": 0.04, "samples": (9, 9), "paired": True}
    verdict = Verdict("test_acc", "a", "b", **facts, p=0.06, seeds=(1, 1))
    assert verdict.better is None
    verdict.p = 0.04
    assert verdict.better == "a"
    verdict.metric, verdict.p = "test_loss", None
    assert verdict.better is None
    assert "9 test samples; too few for a verdict" in verdict.sentence()
    verdict.samples = FEWEST, FEWEST
    assert verdict.better == "b"


def run_tested(tmp_path, loss=None, **options):
    trainer = fl.Trainer(max_epochs=1, runs_dir=tmp_path / "runs", callbacks=["sample_results"],
                         default_callbacks=False, **options)  # fmt: skip
    model = TinyNet()
    model.loss = loss or model.loss
    trainer.fit(model, tiny_data())
    return trainer, model, trainer.test(model, tiny_data())


def test_a_test_keeps_the_results_of_its_samples(tmp_path):
    trainer, model, metrics = run_tested(tmp_path)
    found = sample_results.read(trainer.run.path)
    x, y = tiny_data().test[:]
    np.testing.assert_array_equal(found["target"], y)
    np.testing.assert_allclose(found["prediction"], trainer.predict(model, x), rtol=1e-6)
    for name in ("loss", "acc"):
        total, count = found[name].sum(axis=0)
        assert total / count == pytest.approx(metrics[f"test_{name}"])
    interval = Significance(groups([RunFolder(trainer.run.path)])).interval
    low, high = interval("test_loss", [RunFolder(trainer.run.path)])
    assert low < metrics["test_loss"] < high


def test_a_loss_that_is_no_mean_over_samples_is_left_out(tmp_path):
    trainer, _, _ = run_tested(tmp_path, nn.CrossEntropyLoss(weight=[1.0, 3.0]))
    assert sample_results.read(trainer.run.path).keys() == {"target", "prediction", "acc", "digest"}


def test_too_large_predictions_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_results, "LARGEST", 40)  # the first of two batches has 32 bytes
    data = tiny_data()
    data.batch_size = 2
    trainer, model, _ = run_tested(tmp_path)
    for _ in range(2):
        found = sample_results.read(trainer.run.path)
        assert found.keys() == {"loss", "acc", "digest"}
        assert len(found["loss"]) == 4
        trainer.test(model, data)


def test_the_test_of_another_model_is_not_of_the_run(tmp_path):
    trainer, _, _ = run_tested(tmp_path)
    before = (trainer.run.path / sample_results.FILE).read_bytes()
    other = TinyNet()
    other.body[0].weight.data[...] = 0
    trainer.test(other, tiny_data())
    assert (trainer.run.path / sample_results.FILE).read_bytes() == before


def f1(predicted, y):
    metric = fl.metrics.F1()
    return float(metric.of_sums(metric.terms(np.eye(3)[predicted], y).sum(axis=0)))


def test_runs_compare_shows_intervals_and_a_sentence(runs, tmp_path, capsys):
    y = labels()
    good, bad = wrong_at(y, slice(5)), wrong_at(y, slice(30))
    runs("good", good, y, test_f1=f1(good, y))
    b = runs("bad", bad, y, test_f1=f1(bad, y))
    where = ("--runs_dir", str(tmp_path / "runs"))
    assert main(["runs", "compare", "good", "bad", *where]) == 0
    out = capsys.readouterr().out
    assert "  test_acc 95 %" in out
    assert "good is better than bad on test accuracy by 8.3 points" in out
    assert out.count("is better than") == 1
    main(["runs", "compare", "bad", "good", *where, "--metrics", "test_f1,test_acc", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [verdict["metric"] for verdict in told["verdicts"]] == ["test_acc", "test_f1"]
    assert {verdict["better"] for verdict in told["verdicts"]} == {"good"}
    assert told["intervals"]["test_acc"][0][0] < 0.9 < told["intervals"]["test_acc"][0][1]
    (b.path / sample_results.FILE).unlink()
    main(["runs", "compare", "good", "bad", *where])
    out = capsys.readouterr().out
    assert f"firstlight test {b.label} writes them" in out
    assert "better than" not in out


def test_the_command_test_writes_what_a_run_lacks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
    assert main(["fit", "--data", "digits", *words]) == 0
    (file,) = tmp_path.glob("runs/*/*/test_samples.npz")
    before = dict(sample_results.read(file.parent))
    file.unlink()
    for other in (["--checkpoint", "last"], ["--trainer.limit_test_batches", "1"]):
        assert main(["test", *other]) == 0
        assert not file.exists()
    assert main(["test"]) == 0
    for name, array in sample_results.read(file.parent).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_script_that_does_not_test_is_compared_after_the_command_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"max_epochs": 1, "callbacks": ["model_checkpoint"], "default_callbacks": False}
    fl.Trainer(**options).fit(fl.models.MLP(64, 10, hidden=(4,)), fl.datasets.load("digits"))
    (run,) = fl.runs.list_runs("runs")
    assert "test_acc" not in run.metrics
    assert main(["test"]) == 0
    (run,) = fl.runs.list_runs("runs", where="test_acc > 0")
    low, high = Significance(groups([run])).interval("test_acc", [run])
    assert low < run.value("test_acc") < high
    assert run.value("test_loss") > 0


def test_a_run_without_a_result_has_no_interval_of_it(tmp_path, monkeypatch, capsys):
    from firstlight.tools.cli.main import main

    monkeypatch.chdir(tmp_path)
    for name, more in (("with", ["--trainer.metrics", "f1"]), ("without", [])):
        assert main(["fit", "--trainer.max_epochs", "1", "--name", name, *more]) == 0
    capsys.readouterr()
    assert main(["runs", "compare", "with", "without", "--json"]) == 0
    intervals = json.loads(capsys.readouterr().out)["intervals"]
    assert [found is None for found in intervals["test_f1"]] == [False, True]
    assert None not in intervals["test_acc"]
