"""The progress display: on a terminal, in a log file, after every kind of ending."""

import contextlib
import io
import re
import subprocess
import sys

import pytest
from clocks import Clock

import firstlight as fl
from firstlight.callbacks import EarlyStopping, ProgressBar

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor


class Terminal(io.StringIO):
    """What a terminal is to the display: a stream that says so."""

    def __init__(self, encoding="utf-8"):
        super().__init__()
        self._encoding = encoding

    encoding = property(lambda self: self._encoding)

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    for name in ("CI", "TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


@pytest.fixture
def clock(monkeypatch):
    """What the display and the Trainer take for the time."""
    clock = Clock(now=100.0, tick=1e-3)
    for module in ("firstlight.callbacks.progress_bar", "firstlight.training.progress"):
        monkeypatch.setattr(f"{module}.time", clock)
    return clock


@pytest.fixture
def fit(line, line_data, clock):
    def run(*callbacks, data=line_data, module=None, progress=None, **settings):
        settings = {"max_epochs": 2, "log_every_n_steps": 1} | settings
        trainer = fl.Trainer(
            callbacks=[progress or ProgressBar(), *callbacks],
            default_callbacks=False,
            runs_dir=None,
            **settings,
        )
        trainer.fit(module or line(), data, val_data=line_data)
        return trainer

    return run


@pytest.fixture
def show(fit, terminal):
    """Like fit, on the terminal; checks that the terminal is given back."""

    def run(*callbacks, **settings):
        with contextlib.redirect_stdout(terminal):
            try:
                fit(*callbacks, **settings)
            finally:
                assert sys.stdout is terminal

    return run


def plain(text):
    """Text without control sequences."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)


class Raises(fl.Callback):
    def __init__(self, error, step=2):
        self.error, self.step = error, step

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            raise self.error


# ---------------------------------------------------------------------------------- a log file


def test_a_log_file_gets_one_plain_line_an_epoch_and_the_ending(fit, capsys):
    trainer = fit(max_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(
        r"epoch 2/3  step 6  train_loss \S+  val_loss \S+  lr 1.00e-01  seconds 0\.\d\d( \*)?",
        lines[1],
    )
    assert f"val_loss {trainer.history['val_loss'][1]:.4f}" in lines[1]
    assert lines[0].endswith(" *")
    assert re.match(r"finished after 3 epochs, 9 steps, 0\.\d s; best val_loss \S+ in", lines[3])
    assert "\x1b" not in "".join(lines)
    assert "".join(lines).isascii()


def test_a_log_file_gets_lines_during_long_epochs(fit, capsys):
    fit(progress=ProgressBar(seconds_between_lines=1e-9), max_epochs=1)
    lines = capsys.readouterr().out.splitlines()
    during = [line for line in lines if "it/s" in line]
    assert re.fullmatch(r"epoch 1/1  1/3  loss \S+  \S+ it/s", during[0])
    assert re.match(r"epoch 1/1  2/3  loss \S+  \S+ it/s  0\.\d s left", during[1])
    assert "validating, batch 3" in during[-1]


def test_the_loss_of_a_line_is_the_mean_over_its_epoch_so_far(fit, capsys, line_data):
    progress = ProgressBar(seconds_between_lines=1e-9)
    trainer = fit(progress=progress, max_epochs=3, data=fl.DataLoader(line_data, 10))
    steps = trainer.history["train_loss_step"]
    lines = capsys.readouterr().out.splitlines()
    shown = [re.search(r"  (\d)/7  loss (\S+)", line) for line in lines if "left" in line]
    wanted = [
        (str(done), f"{sum(steps[7 * epoch : 7 * epoch + done]) / done:.4f}")
        for epoch in range(3)
        for done in range(1, 8)
    ]
    assert [one.groups() for one in shown] == wanted[1:]  # the very first has no time left


def test_time_left_does_not_count_the_first_step_twice(fit, clock, capsys):
    class Slow(fl.Callback):
        def on_before_optimizer_step(self, trainer):
            clock.now += 60.0 if trainer.step == 0 else 0.5  # a compiler runs, say

    fit(Slow(), progress=ProgressBar(seconds_between_lines=1e-9), max_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r" it/s  3\.\d s left", next(line for line in lines if "left" in line))


def test_a_run_is_told_first(fit, line, line_data, capsys):
    trainer = fl.Trainer(max_epochs=1, callbacks=[ProgressBar()], default_callbacks=False)
    trainer.fit(line(), line_data)
    assert capsys.readouterr().out.splitlines()[0] == f"run: {trainer.run.shown}"


@pytest.mark.parametrize("settings", [{"TERM": "dumb"}, {"CI": "true"}])
def test_dumb_terminals_and_ci_get_plain_lines(show, terminal, monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    show()
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().startswith("epoch 1/2  step 3  train_loss")


def test_epochs_beyond_the_hundredth_share_lines(fit, capsys, line_data):
    fit(max_epochs=150)
    lines = capsys.readouterr().out.splitlines()
    assert 102 <= len(lines) < 150
    assert lines[99].startswith("epoch 100/150")
    assert lines[-2].startswith("epoch 150/150")


# ---------------------------------------------------------------------------------- a terminal


def test_a_terminal_shows_bar_and_table(show, terminal):
    show(max_epochs=2)
    text = plain(terminal.getvalue())
    rows = [line.rstrip() for line in text.splitlines() if re.match(r"\s*(epoch  |\d/2)", line)]
    assert rows[0].split() == ["epoch", "step", "train_loss", "val_loss", "lr", "seconds"]
    assert [row.split()[0] for row in rows[1:]] == ["1/2", "2/2"]
    assert {len(row.removesuffix(" *")) for row in rows} == {len(rows[0])}
    assert "epoch 1/2 ━━━" in text
    assert "it/s" in text
    assert "finished after 2 epochs, 6 steps" in text


def test_validation_columns_are_there_before_the_first_validation(show, terminal):
    show(max_epochs=2, val_every=2)
    text = plain(terminal.getvalue())
    assert len(re.findall("train_loss", text)) == 1
    assert re.search(r"1/2 +3 +\S+ +- +1.00e-01", text)


def test_the_bar_is_redrawn_at_most_as_often_as_asked(show, terminal):
    show(progress=ProgressBar(refresh_per_second=1e-3), max_epochs=20)
    assert terminal.getvalue().count("it/s") <= 25  # once, and below each printed row


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_ascii_where_the_terminal_can_do_no_more(show, terminal, encoding):
    terminal._encoding = encoding
    show()
    assert terminal.getvalue().isascii()
    assert "epoch 1/2 ####" in plain(terminal.getvalue())


@pytest.mark.parametrize("columns", [80, 60, 40, 20])
def test_every_line_fits_the_terminal(show, terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    show()
    for line in re.split(r"[\r\n]+", plain(terminal.getvalue())):
        assert len(line) <= columns, line


def test_prints_and_warnings_go_above_the_bar(show, terminal):
    class Talks(fl.Callback):
        def on_train_batch_end(self, trainer):
            print(f"step {trainer.step} is done")

    show(Talks(), max_epochs=1)
    assert "\nstep 3 is done" in plain(terminal.getvalue()).replace("\r", "\n")


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError("boom"), r"failed \(ValueError\) after 1 epoch, 2 steps, 0\.\d s"),
        (KeyboardInterrupt(), r"interrupted after 1 epoch, 2 steps, 0\.\d s"),
    ],
)
def test_the_terminal_is_given_back_after_an_exception(show, terminal, error, ending):
    with pytest.raises(type(error)):
        show(Raises(error))
    text = terminal.getvalue()
    assert text.rindex(SHOW) > text.rindex(HIDE)
    assert re.search(ending, plain(text).splitlines()[-1])


def test_the_terminal_is_given_back_when_another_callback_cannot_start(show, terminal):
    class Refuses(fl.Callback):
        def on_fit_start(self):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        show(Refuses())
    assert terminal.getvalue().rindex(SHOW) > terminal.getvalue().rindex(HIDE)


def test_says_why_it_stopped_early(fit, capsys):
    stopping = EarlyStopping("lr", mode="min", patience=1)  # constant, so it never improves
    fit(stopping, max_epochs=9)
    *_, why, counts = capsys.readouterr().out.splitlines()
    assert why == "stopped early: lr has not improved for 1 validation (best 0.1 in epoch 1)"
    assert counts.startswith("stopped after 1 epoch, 2 steps")


def test_says_that_it_was_interrupted(fit, capsys):
    class Stops(fl.Callback):
        def on_train_batch_end(self, trainer):
            trainer.interrupt.requested = True

    fit(Stops())
    assert capsys.readouterr().out.splitlines()[-1].startswith("interrupted after 1 epoch, 1 step,")


def test_it_is_quiet_outside_a_training(line, line_data, capsys):
    trainer = fl.Trainer(callbacks=[ProgressBar()], default_callbacks=False, runs_dir=None)
    trainer.validate(line(), line_data)
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------------------------ the pieces


def test_a_step_without_redrawing_asks_the_clock_and_nothing_else(fit):
    calls = []

    class Watches(fl.Callback):
        def on_train_epoch_end(self, trainer):
            progress = trainer.callbacks[0]
            progress._next_draw = float("inf")
            sys.setprofile(lambda frame, event, _: calls.append((event, frame.f_code.co_name)))
            progress.on_train_batch_end(trainer=trainer)
            sys.setprofile(None)

    fit(Watches(), max_epochs=1)
    assert [name for event, name in calls if event == "call"] == [
        "on_train_batch_end",
        "perf_counter",
    ]


def test_importing_it_does_not_import_rich():
    code = "import sys, firstlight.callbacks; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
