"""TextSamples: where samples go, that they change nothing, restarts, and what is needed."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.callbacks import TensorBoard, TextSamples
from firstlight.data.tokenizers import CharTokenizer
from firstlight.support import generation

TEXT = "a b, c d; the quick brown fox\n" * 60


class Writer(fl.Module):
    """A language model of one token, with dropout; draws the next token."""

    def __init__(self, vocab_size=26):
        self.table, self.drop = nn.Embedding(vocab_size, vocab_size), nn.Dropout(0.3)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.drop(self.table(x))

    def backward(self, dy):
        return self.table.backward(self.drop.backward(dy))

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=0.1)

    def generate(self, tokens, max_new_tokens, *, temperature, top_k, top_p, seed):
        rng = np.random.default_rng(seed)
        for _ in range(max_new_tokens):
            scores = self(tokens)[:, -1] / temperature  # (N, V)
            noise = rng.gumbel(size=scores.shape)
            tokens = np.hstack([tokens, (scores + noise).argmax(axis=1)[:, np.newaxis]])
        assert not self.training
        return tokens


@pytest.fixture
def text(tmp_path):
    (tmp_path / "fox.txt").write_text(TEXT)
    return fl.datasets.load("fox.txt", block_size=8, batch_size=8)


def fit(text, *callbacks, resume=None, **settings):
    fl.seed_everything(0)
    settings = {"max_steps": 25, "default_callbacks": False, "name": "w", **settings}
    trainer = fl.Trainer(callbacks=list(callbacks), **settings)
    trainer.fit(Writer(text.tokenizer.vocab_size), text, resume=resume)
    return trainer


def steps(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[2]) for line in lines if line.startswith("--- step ")]


def test_samples_are_written_every_n_steps_and_at_the_end(text, capsys):
    trainer = fit(text, TextSamples("the ", every_n_steps=10, max_new_tokens=30))
    written = (trainer.run.path / "samples.txt").read_text()
    assert steps(trainer.run.path / "samples.txt") == [10, 20, 25]
    samples = [part.partition("\n")[2][:-1] for part in written.split("--- step ")[1:]]
    assert [len(sample) for sample in samples] == [34] * 3
    assert all(sample.startswith("the ") for sample in samples)
    assert len(set(samples)) == 3  # the model has learned meanwhile
    out = capsys.readouterr().out
    assert all(
        f"--- step {n}\n{s}\n---\n" in out for n, s in zip((10, 20, 25), samples, strict=True)
    )
    expected = generation.write_text(
        trainer.module, text.tokenizer, "the ", max_new_tokens=30, temperature=0.8, seed=0
    )
    assert samples[-1] == expected


def test_the_training_is_the_same_with_and_without(text):
    alone = fit(text).module.state_dict()
    watched = fit(text, TextSamples(every_n_steps=1, max_new_tokens=3, echo=False))
    for name, array in watched.module.state_dict().items():
        assert array.tobytes() == alone[name].tobytes()


def test_a_model_comes_back_with_its_mode_and_stacks(text):
    module = Writer(text.tokenizer.vocab_size).train()
    module.drop.eval()
    x, _ = text.train[np.arange(2)]
    y = module(x)
    before = [(part.training, part._stack and list(part._stack)) for part in module.modules()]
    generation.write_text(module, text.tokenizer, max_new_tokens=3)
    after = [(part.training, part._stack and list(part._stack)) for part in module.modules()]
    assert repr(before) == repr(after)
    module.drop.train()
    module.drop._stack.append((None,))
    module.table.backward(y)  # its forward is still there to undo
    assert module.table._stack == []


def test_tensorboard_shows_the_text_as_it_is(text):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    samples = TextSamples(every_n_steps=10, max_new_tokens=40, echo=False)
    trainer = fit(text, samples, TensorBoard())
    events = reader.EventAccumulator(str(trainer.run.path), size_guidance={"tensors": 0}).Reload()
    assert events.SummaryMetadata("samples").plugin_data.plugin_name == "text"
    shown = events.Tensors("samples")
    assert [event.step for event in shown] == [10, 20, 25]
    lines = shown[-1].tensor_proto.string_val[0].decode().splitlines()
    assert all(line.startswith("    ") for line in lines)
    written = (trainer.run.path / "samples.txt").read_text().partition("--- step 25\n")[2]
    assert "\n".join(line[4:] for line in lines) == written[:-1]


class Stop(fl.Callback):
    def __init__(self, save, end):
        self.save, self.end = save, end

    def on_train_batch_end(self, trainer):
        if trainer.step == self.save:
            trainer.request_checkpoint(trainer.run.checkpoints / "last.safetensors")
        if trainer.step == self.end:
            raise RuntimeError("power cut")


def test_a_restart_leaves_the_samples_of_a_training_without_one(text):
    def samples():
        return TextSamples(every_n_steps=3, max_new_tokens=9, echo=False)

    whole = (fit(text, samples()).run.path / "samples.txt").read_bytes()
    with pytest.raises(RuntimeError, match="power cut"):
        fit(text, samples(), Stop(save=6, end=14))
    trainer = fit(text, samples(), resume="last")
    assert (trainer.run.path / "samples.txt").read_bytes() == whole
    assert steps(trainer.run.path / "samples.txt") == [3, 6, 9, 12, 15, 18, 21, 24, 25]


def test_a_second_training_starts_anew(text):
    callback = TextSamples(every_n_steps=20, max_new_tokens=2, echo=False)
    for _ in range(2):
        trainer = fit(text, callback)
        assert steps(trainer.run.path / "samples.txt") == [20, 25]
    assert json.loads(json.dumps(callback.state_dict())) == callback.state_dict()


def test_without_a_run_it_shows_only(text, capsys):
    fit(text, TextSamples("fox", max_new_tokens=2), runs_dir=None)
    assert capsys.readouterr().out.startswith("--- step 25\nfox")


def test_a_failed_training_has_no_last_sample(text, capsys):
    with pytest.raises(RuntimeError):
        fit(text, TextSamples(), Stop(save=99, end=2))
    assert capsys.readouterr().out == ""


def test_prompts():
    tokenizer = CharTokenizer("ab\n")
    assert generation.prompt_tokens(tokenizer, "ab").tolist() == [[1, 2]]
    assert generation.prompt_tokens(tokenizer).tolist() == [[0]]  # the line break
    assert generation.prompt_tokens(CharTokenizer("xyz"), "").tolist() == [[0]]  # there is none


def test_what_it_needs(text, line, line_data, quiet):
    trainer = fl.Trainer(callbacks=[TextSamples()], **quiet)
    with pytest.raises(
        TypeError, match=r"Line cannot write text: it has no method generate.tokens, m"
    ):
        trainer.fit(line(), line_data)
    with pytest.raises(
        TypeError, match=r"TextSamples: the data have no tokenizer; pass DataSplits"
    ):
        trainer.fit(Writer(), text.train)
    with pytest.raises(ValueError, match=r"'!' \(U\+0021\) at position 2 is none of the"):
        fit(text, TextSamples("fo!"), runs_dir=None)
    for wrong in ({"every_n_steps": 0}, {"max_new_tokens": -1}):
        with pytest.raises(ValueError, match="TextSamples: .*: expected 1 or more, got"):
            TextSamples(**wrong)


def test_a_full_disk_is_a_warning(text):
    class Full(fl.Callback):
        role = fl.Role.WRITER

        def on_fit_start(self, trainer):
            (trainer.run.path / "samples.txt").symlink_to("/dev/full")

    with pytest.warns(UserWarning, match=r"samples.txt cannot be written .*No space left"):
        trainer = fit(text, Full(), TextSamples("the ", every_n_steps=10, echo=False))
    assert (trainer.status, trainer.step) == ("finished", 25)
