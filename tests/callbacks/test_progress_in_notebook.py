"""Progress and curves of a training in a notebook: drawn in place, and kept in its file."""

import re

import pytest

from firstlight.callbacks._shared.notebook_display import NotebookDisplay
from firstlight.callbacks._shared.progress_display import EpochTable

pytest.importorskip("IPython", reason="needs the extra notebook")
from IPython.core.interactiveshell import InteractiveShell  # noqa: E402
from IPython.utils.capture import capture_output  # noqa: E402


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def text(output):
    return re.sub("<[^>]*>", " ", output.data["text/html"]).split()


@pytest.mark.filterwarnings("ignore:Attempting to work in a virtualenv:UserWarning")
def test_the_bar_is_below_the_table_and_both_are_drawn_in_place(shell):
    display, table = NotebookDisplay(), EpochTable()
    with capture_output() as captured:
        display.draw("1/2", 5, 10, ["5/10", "loss <0.5"])
        display.epoch(table, {"epoch": "1/2", "val_loss": 0.25}, True)
        display.epoch(table, {"epoch": "2/2", "val_loss": 0.5, "val_acc": 0.9}, False)
        display.close()
    first, bar, *_ = captured.outputs
    assert [output.update for output in captured.outputs[:2]] == [False, False]
    assert all(output.update for output in captured.outputs[2:])
    table_id, bar_id = first.transient["display_id"], bar.transient["display_id"]
    assert text(first) == []  # no epoch has ended
    assert 'value="5" max="10"' in bar.data["text/html"]
    assert "loss &lt;0.5" in bar.data["text/html"]
    assert bar.data["text/plain"] == "epoch 1/2  5/10  loss <0.5"
    last = {output.transient["display_id"]: output for output in captured.outputs}
    assert text(last[bar_id]) == []
    words = "epoch val_loss val_acc 1/2 0.2500 - * 2/2 0.5000 0.9000"
    assert text(last[table_id]) == words.split()
    assert last[table_id].data["text/plain"].splitlines()[1].split() == ["1/2", "0.2500", "*"]


@pytest.mark.filterwarnings("ignore:Attempting to work in a virtualenv:UserWarning")
def test_many_short_epochs_do_not_flood_the_notebook(shell):
    display, table = NotebookDisplay(), EpochTable()
    display._next_table = float("inf")  # too soon
    with capture_output() as captured:
        for epoch in range(100):
            display.epoch(table, {"epoch": epoch, "val_loss": 0.25}, False)
        assert captured.outputs == []
        display.close()
    (output,) = captured.outputs
    assert text(output)[-2:] == ["99", "0.2500"]


# ------------------------------------------------------------------------- in a real notebook

TRAINING = """
import firstlight as fl
from firstlight.testing import TinyNet, tiny_data

def train(*callbacks, **settings):
    settings = {"max_epochs": 3, "default_callbacks": False, "runs_dir": None} | settings
    trainer = fl.Trainer(callbacks=["progress_bar", *callbacks], **settings)
    return trainer.fit(TinyNet(), tiny_data())

history = train()
"""
FAILING = """
class Breaks(fl.Callback):
    def on_train_epoch_end(self, trainer):
        if trainer.epoch == 2:
            raise RuntimeError("no more")

try:
    train(Breaks())
except RuntimeError as error:
    print(error)
"""
REDIRECTED = """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as log:
    train()
print(log.getvalue())
"""
REPORT = """
from firstlight.tools.diagnose import Report
print(Report("net"))
Report("net")
"""
CAPTURED = "%%capture\ntrain()"
CELLS = [TRAINING, FAILING, REDIRECTED, CAPTURED, "train('live_curves')", "history", REPORT]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    nbformat = pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    folder = {"metadata": {"path": tmp_path_factory.mktemp("notebook")}}
    nbclient.NotebookClient(book, kernel_name="python3", resources=folder).execute()
    return dict(zip(CELLS, (cell.outputs for cell in book.cells), strict=True))


def tables(outputs):
    return [o for o in outputs if "text/html" in o.get("data", {}) and o.data["text/html"]]


def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.slow
def test_a_training_leaves_one_table_and_its_ending(outputs):
    (table,) = tables(outputs[TRAINING])
    assert [word for word in text(table) if word in ("1/3", "2/3", "3/3")] == ["1/3", "2/3", "3/3"]
    assert "finished after 3 epochs" in printed(outputs[TRAINING])
    assert "epoch 1/3" not in printed(outputs[TRAINING])


def test_a_failure_keeps_the_epochs_before_it(outputs):
    (table,) = tables(outputs[FAILING])
    assert "1/3" in text(table)
    assert "failed (RuntimeError)" in printed(outputs[FAILING])


def test_redirected_output_gets_lines(outputs):
    assert tables(outputs[REDIRECTED]) == []
    assert re.search("^epoch 3/3  step .*val_loss", printed(outputs[REDIRECTED]), re.M)
    assert outputs[CAPTURED] == []


def test_live_curves_are_one_picture(outputs):
    cell = outputs["train('live_curves')"]
    pictures = [o.data["image/svg+xml"] for o in cell if "image/svg+xml" in o.get("data", {})]
    assert len(pictures) == 1
    assert "loss" in pictures[0]


def test_the_history_at_the_end_of_a_cell_is_a_table(outputs):
    (table,) = tables(outputs["history"])
    assert text(table)[:4] == ["metric", "last", "best", "epoch"]


def test_a_report_is_shown_where_it_is_asked_for(outputs):
    assert "net: nothing wrong" in printed(outputs[REPORT])
    (shown,) = tables(outputs[REPORT])
    assert shown.output_type == "execute_result"
    assert " ".join(text(shown)).endswith("net: nothing wrong, 0.0 s")
