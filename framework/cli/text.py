"""Tables, help and configs as plain text."""

import json
import shutil
import textwrap

from firstlight.cli.signature import REQUIRED


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


def group(title, arguments):
    """Return the help of some arguments: a title, and each with its kind and what it means."""
    lines = [f"{title}:"]
    for argument in arguments:
        lines += item(f"--{argument.flag} {argument.kind}", f"{argument.help} {ending(argument)}")
    if not arguments:
        lines.append("  (no arguments)")
    return "\n".join(lines)


def item(head, text):
    """Return the lines of one help entry; a long head has its text below it."""
    width = min(shutil.get_terminal_size().columns, 110)
    indent = " " * 30
    body = textwrap.wrap(" ".join(text.split()), max(width - len(indent), 30))
    if len(head) > 26 or not body:
        return [f"  {head}", *(indent + line for line in body)]
    return [f"  {head:<28}{body[0]}", *(indent + line for line in body[1:])]


def ending(argument):
    """Return how help ends for an argument: its default, or that there is none."""
    if argument.from_data:
        return "(default: from the data)"
    if argument.default is REQUIRED:
        return "(required)"
    return "" if "(default" in argument.help else f"(default: {written(argument.default)})"


def written(value):
    """Return a value as one would write it on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(written, value)) or "[]"
    return str(value)


def as_yaml(config):
    """Return a nested dict as YAML, with short lists on one line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def represent_list(self, values):
            return self.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)

    Dumper.add_representer(list, Dumper.represent_list)
    plain = json.loads(json.dumps(config, default=str))
    return yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def measured(metrics):
    """Return ``(words, number)`` pairs: ``{"test_acc": 0.97}`` reads test accuracy 0.9700."""
    return [
        (name.replace("_", " ").replace(" acc", " accuracy"), f"{value:.4f}")
        for name, value in sorted(metrics.items())
    ]
