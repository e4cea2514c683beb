"""Tables and summaries as plain text."""


def table(rows, indent=""):
    """Return rows of strings as aligned columns."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)


def summary(target):
    """Return the first sentence of a docstring, on one line and without the class's name."""
    doc = (target.__doc__ or "").strip().split("\n\n")[0]
    text = " ".join(doc.replace("`", "").split())
    name, colon, rest = text.partition(": ")
    return rest if colon and name == getattr(target, "__name__", None) else text


def measured(metrics):
    """Return ``(words, number)`` pairs: ``{"test_acc": 0.97}`` reads test accuracy 0.9700."""
    return [
        (name.replace("_", " ").replace(" acc", " accuracy"), f"{value:.4f}")
        for name, value in sorted(metrics.items())
    ]
