"""A bar chart of step times from the JSON files of `step.py`: ours, and the best of each library.

python benchmarks/chart.py docs/benchmarks/*.json docs/benchmarks.svg
"""

import argparse
import json
from pathlib import Path

import matplotlib
from step_table import best

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

SHOWN = {  # peer: (label, colour)
    "gemms": ("matrix products alone", "#c9c9c9"),
    "ours": ("firstlight, without numba", "#d97706"),
    "ours-fast": ("firstlight", "#92400e"),
}
COLOURS = {"PyTorch": "#3b6fb6", "JAX": "#3f8f6b", "Lightning": "#8fb3e0"}
NAMES = {
    "torch": "PyTorch eager",
    "torch-fused": "PyTorch, fused Adam",
    "torch-channels-last": "PyTorch, channels last",
    "torch-compile": "PyTorch, torch.compile",
    "lightning-barebones": "Lightning, barebones",
}


def bars(figures):
    """Return ``(row, label, colour)`` for each bar, from the bottom up."""
    found = [(row, *SHOWN[row["peer"]]) for row in figures if row["peer"] in SHOWN]
    fastest = best(figures)
    for library, colour in COLOURS.items():
        if row := fastest.get(library):
            found.append((row, NAMES.get(row["peer"], library), colour))
    return found[::-1]


def chart(works):
    """Return a figure with a panel for each work: milliseconds a step, with min – max."""
    figure, panels = plt.subplots(
        len(works), 1, figsize=(7, 1.9 * len(works)), layout="constrained", squeeze=False
    )
    for axes, work in zip(panels[:, 0], works, strict=True):
        rows, labels, colours = zip(*bars(work["peers"]), strict=True)
        medians = [row["median_ms"] for row in rows]
        around = [
            [row["median_ms"] - row["min_ms"] for row in rows],
            [row["max_ms"] - row["median_ms"] for row in rows],
        ]
        axes.barh(labels, medians, xerr=around, color=colours, height=0.7, ecolor="#555555")
        for place, row in enumerate(rows):
            label = f"{row['median_ms']:.{digits(row['median_ms'])}f} ms"
            beside = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(label, (row["max_ms"], place), **beside)
        axes.set_title(title(work), loc="left", fontsize="medium")
        axes.set_xlim(0, 1.2 * max(row["max_ms"] for row in rows))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1, 0].set_xlabel(f"ms a training step, {work['threads']} threads; {work['cpu']}")
    return figure


def digits(value):
    """Return how many digits after the point make three in all."""
    return 2 if value < 10 else 1 if value < 100 else 0


def title(work):
    size = f" ({work['size']})" if work["size"] else ""
    return f"{work['work']}{size}, batch {work['batch']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", nargs="+", help="what step.py --json wrote")
    parser.add_argument("picture", help="the SVG to write")
    told = parser.parse_args()
    works = [json.loads(Path(path).read_text()) for path in told.json]
    with plt.rc_context({"svg.hashsalt": "chart", "svg.fonttype": "none"}):
        chart(works).savefig(told.picture, dpi=150, metadata={"Date": None})


if __name__ == "__main__":
    main()
