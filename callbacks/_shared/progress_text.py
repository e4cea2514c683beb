"""The words of the progress display: numbers, the table of epochs, the line with the bar."""

FIRST, LAST = ("epoch", "step"), ("lr", "seconds")
GAP = "  "  # between columns
WIDTHS = {"epoch": 5, "step": 6, "seconds": 7}  # at least; all others: 8


def value_text(name, value):
    """Return a value as it is shown: four decimals, or an exponent where they say too little.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_text import value_text
    >>> value_text("val_loss", 0.123456), value_text("val_loss", 1.2e-5), value_text("lr", 0.001)
    ('0.1235', '1.2e-05', '1.00e-03')
    """
    if isinstance(value, (int, str)):
        return str(value)
    if name == "lr":
        return f"{value:.2e}"
    if name == "seconds":
        return f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.1e}"


def duration(seconds):
    """Return a duration as text.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_text import duration
    >>> duration(3.21), duration(75), duration(3725)
    ('3.2 s', '1:15', '1:02:05')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def in_order(names):
    """Return the names of an epoch's values as the table has them.

    Those with a "/", as ``update_ratio/...`` of each layer, are too many for it.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_text import in_order
    >>> in_order(["val_loss", "lr", "train_loss", "train_loss_step", "step", "epoch", "time"])
    ['epoch', 'step', 'train_loss', 'val_loss', 'lr']
    """
    names = [n for n in names if n != "time" and not n.endswith("_step") and "/" not in n]
    inner = [name for name in names if name not in FIRST + LAST]
    inner.sort(key=lambda name: 2 - name.startswith("val_") - 2 * name.startswith("train_"))
    return [n for n in FIRST if n in names] + inner + [n for n in LAST if n in names]


class EpochTable:
    """A table that is printed line by line; its columns are what was logged.

    Parameters
    ----------
    validates : bool
        Whether to expect a validation value for each training value, even if the first row has
        none.

    Attributes
    ----------
    columns : dict of str to int
        Names and widths of those shown, once there is a first row.
    """

    def __init__(self, validates=False) -> None:
        self.validates = validates
        self.columns = {}
        self._names = []

    def add(self, values, width):
        """Return ``(header, row)`` of an epoch's values; the header is None unless it is new.

        Parameters
        ----------
        values : dict
            By name; columns that lack a value show a dash.
        width : int
            Of the terminal; columns that do not fit are left out, the less important first.
        """
        names = dict.fromkeys([*self._names, *values])
        if self.validates:
            names |= {f"val_{n[6:]}": None for n in in_order(values) if n.startswith("train_")}
        names = list(names)
        header = None
        if names != self._names:
            self._names = names
            self.columns = self._fitting(in_order(names), values, width)
            header = self._line({name: name for name in self.columns})
        return header, self._line({n: value_text(n, values.get(n, "-")) for n in self.columns})

    def _line(self, texts):
        return GAP.join(text.rjust(self.columns[name]) for name, text in texts.items())

    @staticmethod
    def _fitting(names, values, width):
        widths = {
            name: max(len(name), WIDTHS.get(name, 8), len(value_text(name, values.get(name, ""))))
            for name in names
        }
        for name in ("step", "lr", *[n for n in reversed(names) if n not in FIRST + LAST]):
            if sum(widths.values()) + len(GAP) * (len(widths) - 1) <= width:
                break
            widths.pop(name, None)
        return widths


def bar_line(epoch, done, total, texts, width, marks="━─"):
    """Return ``(before, filled, empty, after)``: a line with a bar, in parts to be coloured.

    Parameters
    ----------
    epoch : str
        The number before the bar.
    done, total : int
        How much of the bar is filled.
    texts : list of str
        What stands behind the bar; those that do not fit are left out, the last but one first.
    width : int
    marks : str of length 2
        What the filled and the empty part are made of.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_text import bar_line
    >>> "".join(bar_line("1/2", 5, 10, ["5/10", "loss 0.1234"], 41, "#-"))
    'epoch 1/2 ######------  5/10  loss 0.1234'
    """
    before = f"epoch {epoch} "
    texts = list(texts)
    while len(texts) > 1 and width < len(before) + 8 + _length(texts):
        texts.pop(-2)
    length = max(0, min(30, width - len(before) - _length(texts)))
    filled = min(length, length * done // max(1, total))
    after = "".join(GAP + text for text in texts)
    return before, marks[0] * filled, marks[1] * (length - filled), after


def _length(texts):
    return sum(len(GAP) + len(text) for text in texts)
