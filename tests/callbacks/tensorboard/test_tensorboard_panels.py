"""What TensorBoard shows besides curves: each part can be switched on, and only it is written."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import LayerMonitor, TensorBoard, TextSamples, Throughput
from firstlight.testing import TinyNet, tiny_data, tiny_trainer

reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
SWITCHES = ("histograms", "gradients", "activations", "images", "pr_curves", "embeddings")
LAYERS = ["parameters", "gradients", "activations"]


def read(trainer):
    sizes = {"scalars": 0, "histograms": 0, "tensors": 0, "images": 0}
    return reader.EventAccumulator(str(trainer.run.path), size_guidance=sizes).Reload()


@pytest.fixture(scope="module")
def digits():
    splits = fl.datasets.load("digits")
    x, y = splits.train[np.arange(200)]
    x = x / np.float32(16)
    return fl.DataSplits((x, y), val=(x[:90], y[:90]), classes=splits.classes, batch_size=40)


@pytest.fixture
def fit(digits):
    def run(model, epochs=2, data=digits, others=(), **switches):
        trainer = fl.Trainer(
            max_epochs=epochs,
            callbacks=[TensorBoard(**switches), *others],
            default_callbacks=False,
        )
        trainer.fit(model, data)
        return trainer

    return run


def mlp():
    return fl.models.MLP(64, 10, hidden=(16,))


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_writes_its_own_and_nothing_else(fit, switch):
    trainer = fit(mlp(), graph=False, **{switch: True})
    tags = read(trainer).Tags()
    found = {tag.partition("/")[0] for tag in tags["histograms"]}
    assert found == ({"histograms": {"parameters"}}.get(switch, {switch} & set(LAYERS)))
    pictures = {"samples", "filters", "confusion_matrix/val", "calibration/val", "mistakes/val"}
    assert set(tags["images"]) == (pictures if switch == "images" else set())
    curves = {f"pr_curves/{label}" for label in range(10)} if switch == "pr_curves" else set()
    assert curves <= set(tags["tensors"])
    assert bool(curves) == any(tag.startswith("pr_curves") for tag in tags["tensors"])
    assert (trainer.run.path / "projector_config.pbtxt").exists() == (switch == "embeddings")
    assert not tags["graph"]
    seconds = json.loads((trainer.run.path / "summary.json").read_text())["tensorboard_seconds"]
    assert set(seconds) == {"curves", "collecting", switch}


@pytest.mark.slow
def test_labels_that_the_loss_ignores_are_left_out(fit, digits):
    ignored = 3
    (x, y), model = digits.val[np.arange(90)], mlp()
    y[:40:3], y[40:80] = ignored, ignored  # the second batch has none that counts
    model.loss = fl.nn.CrossEntropyLoss(ignore_index=ignored)
    data = fl.DataSplits((x, y), val=(x, y), batch_size=40)
    trainer = fit(model, data=data, graph=False, images=True, pr_curves=True, embeddings=True)
    tags = read(trainer).Tags()
    pictures = {"samples", "filters", "confusion_matrix/val", "calibration/val", "mistakes/val"}
    assert set(tags["images"]) == pictures
    table = np.array(read(trainer).Tensors("pr_curves/1")[-1].tensor_proto.float_val)
    assert table.reshape(6, -1)[:4, 0].sum() == (y != ignored).sum()
    labels = (trainer.run.path / "00006/embedding/metadata.tsv").read_text().splitlines()
    assert [label == "-" for label in labels] == (y == ignored).tolist()


@pytest.mark.slow
def test_scores_that_are_no_numbers_end_no_training(fit, digits):
    class Diverged(fl.models.MLP):
        def validation_step(self, batch):
            output = super().validation_step(batch)
            output.prediction[::2], output.prediction[1::4, 2] = np.nan, np.inf
            return output

    model = Diverged(64, 10, hidden=(16,))
    trainer = fit(model, graph=False, images=True, pr_curves=True, embeddings=True)
    tensors = [tag for tag in read(trainer).Tags()["tensors"] if tag.startswith("pr_curves")]
    assert len(tensors) == 10


def test_gradients_are_those_of_an_epochs_last_step():
    seen = {}

    class Keeps(fl.Callback):
        def on_before_optimizer_step(self, trainer, module):
            seen[trainer.step + 1] = module.body[0].weight.grad.copy()

    trainer = tiny_trainer([Keeps(), TensorBoard(gradients=True)], runs_dir="runs")
    events = read(trainer).Histograms("gradients/body.0.weight")
    assert [event.step for event in events] == [3, 6]  # three steps an epoch
    for event in events:
        value, gradient = event.histogram_value, seen[event.step]
        assert (value.min, value.max) == pytest.approx((gradient.min(), gradient.max()))
        assert value.sum == pytest.approx(gradient.sum(), rel=1e-4, abs=1e-6)


def test_activations_are_of_the_same_samples_in_evaluation(fit, digits):
    trainer = fit(mlp(), activations=True)
    events = read(trainer)
    x = digits.val[np.arange(40)][0]
    trainer.module.eval()
    hidden = trainer.module.body[0](x.reshape(40, -1))
    value = events.Histograms("activations/body.0")[-1].histogram_value
    assert value.num == hidden.size
    assert value.sum == pytest.approx(hidden.sum(), rel=1e-4)
    assert trainer.module.body[0].forward.__name__ == "forward", "what recorded has gone"


@pytest.mark.slow
def test_every_n_epochs_thins_out_all_but_curves(fit):
    trainer = fit(mlp(), epochs=5, histograms=True, images=True, pr_curves=True, every_n_epochs=2)
    events = read(trainer)
    steps = [5, 15, 25]  # of epochs 1, 3, 5
    assert [e.step for e in events.Histograms("parameters/body.0.weight")] == steps
    assert [e.step for e in events.Images("confusion_matrix/val")] == steps
    assert [e.step for e in events.Tensors("pr_curves/3")] == steps
    assert [e.step for e in events.Images("samples")] == [5]
    assert len(events.Scalars("loss/val")) == 5


def test_precision_and_recall_count_the_whole_validation(fit):
    from tensorboard.util import tensor_util

    trainer = fit(mlp(), pr_curves=True)
    table = tensor_util.make_ndarray(read(trainer).Tensors("pr_curves/0")[-1].tensor_proto)
    assert table.shape == (6, 127)
    assert (table[:4].sum(axis=0) == 90).all()


def test_embeddings_are_what_the_last_layer_gets(fit, digits):
    trainer = fit(mlp(), embeddings=True)
    folder = trainer.run.path / "00010" / "embedding"
    vectors = np.loadtxt(folder / "tensors.tsv", delimiter="\t")
    x, y = digits.val[np.arange(90)]  # all of it, and once, though there were two validations
    module = trainer.module.eval()
    h = x.reshape(90, -1)
    for layer in module.body[:-1]:
        h = layer(h)
    np.testing.assert_allclose(vectors, h, rtol=1e-4, atol=1e-5)
    assert (folder / "metadata.tsv").read_text().split() == [str(label) for label in y]
    assert (folder / "sprite.png").is_file()


@pytest.mark.slow
def test_a_vision_transformer_shows_where_its_heads_look(fit):
    trainer = fit(fl.models.ViT((8, 8, 1), 10, depth=2), epochs=1, images=True)
    images = read(trainer).Tags()["images"]
    assert {"attention/layers.0.self_attn", "attention/layers.1.self_attn"} <= set(images)


@pytest.mark.slow
def test_a_language_model_shows_where_its_heads_look_and_what_it_writes(fit):
    data = fl.datasets.load("text", block_size=16, batch_size=64)
    model = fl.models.GPT(data.tokenizer.vocab_size, 16, n_layer=1, n_head=2, n_embd=8)
    trainer = fl.Trainer(
        max_steps=2,
        limit_train_batches=2,
        limit_val_batches=1,
        callbacks=[
            TensorBoard(images=True, pr_curves=True, embeddings=True),
            TextSamples(every_n_steps=2, max_new_tokens=5, echo=False),
        ],
        default_callbacks=False,
    )
    trainer.fit(model, data)
    tags = read(trainer).Tags()
    assert tags["images"] == ["attention/h.0.attn"]
    assert "samples" in tags["tensors"]
    assert not any(tag.startswith("pr_curves") for tag in tags["tensors"])


def test_without_validation_the_training_batch_serves():
    trainer = fl.Trainer(
        max_epochs=1,
        callbacks=[TensorBoard(**dict.fromkeys(SWITCHES, True))],
        default_callbacks=False,
    )
    x, y = tiny_data().train[np.arange(12)]
    trainer.fit(TinyNet(), (x, y))
    tags = read(trainer).Tags()
    assert {tag.partition("/")[0] for tag in tags["histograms"]} == set(LAYERS)
    assert tags["graph"]


def test_a_regression_has_no_scores_to_show(line, line_data):
    trainer = fl.Trainer(
        max_epochs=1,
        callbacks=[TensorBoard(**dict.fromkeys(SWITCHES, True))],
        default_callbacks=False,
    )
    trainer.fit(line(), line_data, line_data)
    assert trainer.status == "finished"
    assert read(trainer).Tags()["images"] == []


def test_a_model_of_two_inputs_has_no_graph_and_no_warning(line, line_data):
    class Two(line):
        def forward(self, x, offset):
            return super().forward(x) + offset

        def validation_step(self, batch):
            x, y = batch
            return fl.StepOutput(self.loss(self(x, 0.0), y))

        def training_step(self, batch):
            output = self.validation_step(batch)
            output.dy = self.loss.backward()
            return output

    trainer = fl.Trainer(max_epochs=1, callbacks=[TensorBoard()], default_callbacks=False)
    trainer.fit(Two(), line_data)
    assert read(trainer).Tags()["graph"] is False


def test_a_model_that_cannot_be_traced_is_a_warning_and_trains(line, line_data):
    class Picky(line):
        def forward(self, x):
            if type(x) is not np.ndarray:
                raise TypeError("plain arrays only")
            return super().forward(x)

    trainer = fl.Trainer(max_epochs=2, callbacks=[TensorBoard()], default_callbacks=False)
    with pytest.warns(UserWarning, match=r"the graph of Picky cannot be drawn \(TypeError: plain"):
        trainer.fit(Picky(), line_data)
    assert trainer.status == "finished"


def test_the_profile_is_a_text(fit):
    trainer = fit(mlp(), others=[Throughput()])
    (event,) = read(trainer).Tensors("time")
    text = event.tensor_proto.string_val[0].decode()
    assert all(word in text for word in ("share", "calls", "forward", "backward", "TensorBoard"))


def test_bad_settings_are_errors_at_once():
    with pytest.raises(ValueError, match="TensorBoard: every_n_epochs"):
        TensorBoard(every_n_epochs=0)


@pytest.mark.filterwarnings("ignore:Throughput. callback TensorBoard takes")
@pytest.mark.slow
def test_a_tensorboard_server_shows_all_of_it(fit, server):
    others = [Throughput(), LayerMonitor(every_n_steps=10)]
    trainer = fit(mlp(), **dict.fromkeys(SWITCHES, True), others=others)
    fit(fl.models.CNN((8, 8, 1), 10, channels=(4,)), histograms=True)
    ask = server("runs")
    name = f"{trainer.run.name}/{trainer.run.id}"
    found = {kind: ask(f"plugin/{kind}/tags")[name] for kind in ("histograms", "images", "text")}
    assert {tag.partition("/")[0] for tag in found["histograms"]} == set(LAYERS)
    assert "mistakes/val" in found["images"]
    assert list(found["text"]) == ["time"]
    assert "update_ratio/body.0.weight" in ask("plugin/scalars/tags")[name]
    curves = ask(f"plugin/pr_curves/pr_curves?tag=pr_curves/3&run={name}")[name]
    assert [entry["step"] for entry in curves] == [5, 10]
    (image,) = ask(f"plugin/images/images?run={name}&tag=samples&sample=0")
    assert image["step"] == 5
    graphs = ask("plugin/graphs/info")
    assert len(graphs) == 2
    assert all(info["run_graph"] for info in graphs.values())
    graph = ask(f"plugin/graphs/graph?run={name}&large_attrs_key=none", text=True)
    assert 'name: "body/Linear_0"' in graph
    assert 'input: "body/ReLU_2"' in graph
    runs = ask("plugin/projector/runs")
    assert runs == [name]
    (embedding,) = ask(f"plugin/projector/info?run={name}")["embeddings"]
    assert embedding["tensorShape"] == [90, 16]


# ------------------------------------------------------------------------------- LayerMonitor


def test_ratios_are_those_of_the_step():
    before, expected = {}, {}

    class Keeps(fl.Callback):
        role = fl.Role.EDITOR

        def on_before_optimizer_step(self, trainer, module):
            for name, parameter in module.named_parameters():
                before[name] = parameter.data.copy()
            norm = np.sqrt(sum(np.square(p.grad).sum() for p in module.parameters()))
            expected[trainer.step + 1] = {"grad_norm": norm}

        def on_train_batch_end(self, trainer, module):
            for name, parameter in module.named_parameters():
                moved = np.linalg.norm(parameter.data - before[name])
                if np.linalg.norm(before[name]):
                    ratio = moved / np.linalg.norm(before[name])
                    expected[trainer.step][f"update_ratio/{name}"] = ratio

    monitor = LayerMonitor(every_n_steps=2, show="never")
    trainer = tiny_trainer([monitor, Keeps()], log_every_n_steps=2)
    found = {step: {} for step in (2, 4, 6)}
    for record in trainer.history.records:
        if "grad_norm" in record:
            found[record["step"]] = {n: record[n] for n in record if n in expected[record["step"]]}
    assert found[2] == pytest.approx(expected[2], rel=1e-4)
    for step in (4, 6):  # layers take turns
        assert found[step] == pytest.approx({n: expected[step][n] for n in found[step]}, rel=1e-4)
    assert trainer.history.steps("grad_norm") == [2, 4, 6]
    only_norm = tiny_trainer([LayerMonitor(update_ratios=False, every_n_steps=1)])
    assert not any(name.startswith("update_ratio") for name in only_norm.history)
