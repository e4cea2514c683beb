"""The table of epochs and the line with the bar, as text; bad settings."""

import pytest

from firstlight.callbacks import ProgressBar
from firstlight.callbacks._shared.progress_display import EpochTable, bar_line


def test_a_new_value_makes_a_new_header():
    table = EpochTable()
    assert table.add({"epoch": "1/2", "train_loss": 1.0}, 80)[0] == "epoch  train_loss"
    assert table.add({"epoch": "2/2", "train_loss": 1.0}, 80)[0] is None
    header, row = table.add({"epoch": "2/2", "val_f1": 0.5}, 80)
    assert header.split() == ["epoch", "train_loss", "val_f1"]
    assert row.split() == ["2/2", "-", "0.5000"]


def test_narrow_tables_leave_out_what_matters_least():
    values = {"epoch": "1/2", "step": 10, "train_loss": 1.0, "val_loss": 2.0, "lr": 0.1}
    widths = {len(EpochTable().add(values, width)[0]) <= width for width in range(20, 80)}
    assert widths == {True}
    assert EpochTable().add(values, 40)[0].split() == ["epoch", "train_loss", "val_loss", "lr"]
    assert EpochTable().add(values, 30)[0].split() == ["epoch", "train_loss", "val_loss"]


def test_the_bar_fills():
    line = bar_line("1/2", 3, 4, ["3/4", "loss 1.0", "9.0 s left"], 46, "#-")
    assert "".join(line) == "epoch 1/2 ######---  3/4  loss 1.0  9.0 s left"
    assert "".join(bar_line("1/2", 4, 4, ["4/4"], 20, "#-")) == "epoch 1/2 #####  4/4"
    assert "".join(bar_line("1/2", 0, 4, ["0/4"], 20, "#-")) == "epoch 1/2 -----  0/4"


@pytest.mark.parametrize("setting", ["refresh_per_second", "seconds_between_lines"])
def test_rates_must_be_positive(setting):
    with pytest.raises(ValueError, match="above 0"):
        ProgressBar(**{setting: 0})
