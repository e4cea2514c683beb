"""Train the README's network and draw its training as a moving picture, ``docs/training.svg``.

``python docs/training.py`` takes a few seconds. Everything in the picture is from this one run: the
losses, the number of test digits read correctly, and what the network takes 60 of them for. The
picture has its own background, in the colours of the reader's light or dark mode.
"""

import sys
from itertools import groupby
from pathlib import Path

import numpy as np

import firstlight as fl
from firstlight import nn, optim

STEPS = [0, *range(1, 10), *range(10, 40, 3), *range(40, 100, 10), *range(100, 401, 50), 600, 800]
STEPS += [1000, 1200]
FRAME, HOLD = 0.3, 4.0  # seconds a frame, and the last one
SIZE = 24  # of a digit's picture
STYLE = """
  .card { fill: #fcfcfd; stroke: #d0d7de }
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 11px; fill: #57606a }
  .big { font-size: 17px; font-weight: 600 }
  .axis { stroke: #d0d7de }
  .ink { fill: #24292f }
  .curve { fill: none; stroke-width: 2; stroke-linejoin: round }
  .curve.train { stroke: #0969da }
  .curve.val { stroke: #bc4c00 }
  circle.train, text.train { fill: #0969da }
  circle.val, text.val { fill: #bc4c00 }
  .right { fill: #1a7f37 }
  .wrong { fill: #cf222e }
  .box { fill: none; stroke: #cf222e }
  @media (prefers-color-scheme: dark) {
    .card { fill: #161b22; stroke: #30363d }
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .axis { stroke: #30363d }
    .ink { fill: #e6edf3 }
    .curve.train { stroke: #58a6ff }
    .curve.val { stroke: #f0883e }
    circle.train, text.train { fill: #58a6ff }
    circle.val, text.val { fill: #f0883e }
    .right { fill: #56d364 }
    .wrong { fill: #ff7b72 }
    .box { stroke: #ff7b72 }
  }
"""


class Net(fl.Module):
    """The network of the README."""

    def __init__(self, hidden=128):
        self.body = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x.reshape(-1, 64))

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        """Return Adam."""
        return optim.Adam(self.parameters(), lr=1e-3)


class Watch(fl.Callback):
    """Record losses and predictions at some steps."""

    def __init__(self, steps, data):
        self.steps, self.frames = set(steps), []
        self.parts = [part[np.arange(len(part))] for part in (data.train, data.val, data.test)]

    def on_fit_start(self, module):
        self.look(module)

    def on_train_batch_end(self, trainer, module):
        if trainer.step in self.steps:
            self.look(module)

    def look(self, module):
        """Evaluate the network as it is now."""
        module.eval()
        scores = [module(x) for x, _ in self.parts]
        losses = [float(module.loss(s, y)) for s, (_, y) in zip(scores, self.parts, strict=True)]
        self.frames.append((losses[0], losses[1], scores[2].argmax(axis=1)))
        module.train()


def train(steps):
    """Train to the last of the steps; return the frames, and the test images with their labels."""
    fl.seed_everything(0)
    digits = fl.datasets.load("digits")
    watch = Watch(steps, digits)
    trainer = fl.Trainer(max_steps=steps[-1], runs_dir=None, callbacks=[watch], seed=0)
    trainer.fit(Net(), digits)
    return watch.frames, watch.parts[2]


def during(first, last, count):
    """Return the animation that shows an element from one frame to another, and its visibility."""
    total = FRAME * (count - 1) + HOLD
    if (first, last) == (0, count - 1):
        return "visible", ""
    times, values = [0.0], ["visible" if first == 0 else "hidden"]
    for frame, value in ((first, "visible"), (last + 1, "hidden")):
        if 0 < frame < count:
            times.append(frame * FRAME / total)
            values.append(value)
    return values[-1], (
        f'<animate attributeName="visibility" calcMode="discrete" dur="{total:g}s" '
        f'repeatCount="indefinite" values="{";".join(values)}" '
        f'keyTimes="{";".join(f"{t:.4g}" for t in times)}"/>'
    )


def shown(content, first, last, count):
    """Return a group that is shown from one frame to another."""
    visibility, animation = during(first, last, count)
    return f'<g visibility="{visibility}">{content}{animation}</g>'


def motion(attribute, values, count):
    """Return the animation of an attribute, frame by frame, which holds the last value."""
    total = FRAME * (count - 1) + HOLD
    times = [f"{i * FRAME / total:.4g}" for i in range(count)] + ["1"]
    return (
        f'<animate attributeName="{attribute}" dur="{total:g}s" repeatCount="indefinite" '
        f'values="{";".join(f"{v:.1f}" for v in [*values, values[-1]])}" '
        f'keyTimes="{";".join(times)}"/>'
    )


def ink(image):
    """Return paths for an image of 8 by 8 values, in four shades."""
    values = np.asarray(image).squeeze()
    levels = np.rint(4 * (values - values.min()) / np.ptp(values)).astype(int)
    parts = []
    for level in range(1, 5):
        path = ""
        for row, line in enumerate(levels):
            column = 0
            for value, run in groupby(line):
                width = len(list(run))
                if value == level:
                    path += f"M{column} {row}h{width}v1h-{width}z"
                column += width
        if path:
            parts.append(f'<path class="ink" opacity="{level / 4}" d="{path}"/>')
    return "".join(parts)


def curves(steps, frames):
    """Draw training and validation loss over the steps, at the left."""
    left, right, top, bottom, count = 52, 352, 84, 268, len(steps)
    high = max(max(frame[:2]) for frame in frames) * 1.05
    x = [left + (right - left) * np.log1p(s / 4) / np.log1p(steps[-1] / 4) for s in steps]
    parts = [f'<text x="{left}" y="{top - 14}">loss</text>']
    for value in range(int(high) + 1):
        y = bottom - (bottom - top) * value / high
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="small" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
        )
    for step in (0, 10, 100, 1000):
        if step <= steps[-1]:
            at = left + (right - left) * np.log1p(step / 4) / np.log1p(steps[-1] / 4)
            parts.append(
                f'<text class="small" x="{at:.1f}" y="{bottom + 18}" '
                f'text-anchor="middle">{"step " if not step else ""}{step}</text>'
            )
    parts.append(
        f'<clipPath id="past"><rect x="0" y="0" height="300" width="{x[-1]:.1f}">'
        f"{motion('width', x, count)}</rect></clipPath>"
    )
    for which, name, title in ((0, "train", "training"), (1, "val", "validation")):
        y = [bottom - (bottom - top) * frame[which] / high for frame in frames]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts += [
            f'<polyline class="curve {name}" clip-path="url(#past)" points="{points}"/>',
            f'<circle class="{name}" r="4" cx="{x[-1]:.1f}" cy="{y[-1]:.1f}">'
            f"{motion('cx', x, count)}{motion('cy', y, count)}</circle>",
            f'<text class="{name}" x="{right}" y="{top + 14 + 18 * which}" text-anchor="end">'
            f"{title}</text>",
        ]
    return parts


def digits(frames, images, labels, columns=12, rows=5):
    """Draw test digits, and below each what the network takes it for, at the right."""
    parts, count = [], len(frames)
    for index in range(columns * rows):
        x, y = 396 + 38 * (index % columns), 66 + 45 * (index // columns)
        parts.append(
            f'<g transform="translate({x} {y}) scale({SIZE / 8:g})">{ink(images[index])}</g>'
        )
        frame = 0
        for guess, run in groupby(int(scores[index]) for _, _, scores in frames):
            length = len(list(run))
            right = guess == labels[index]
            content = (
                f'<text class="small {"right" if right else "wrong"}" x="{x + SIZE / 2:g}" '
                f'y="{y + 36}" text-anchor="middle">{guess}</text>'
            )
            if not right:
                content += (
                    f'<rect class="box" x="{x - 3}" y="{y - 2}" width="{SIZE + 6}" height="42" '
                    'rx="3"/>'
                )
            parts.append(shown(content, frame, frame + length - 1, count))
            frame += length
    return parts


def picture(steps, frames, images, labels):
    """Return the whole picture as SVG."""
    count, parts = len(frames), []
    for i, (step, (_, _, scores)) in enumerate(zip(steps, frames, strict=True)):
        right = int((scores == labels).sum())
        text = (
            f"step {step}: {right} of {len(labels)} test digits right ({right / len(labels):.0%})"
        )
        parts.append(shown(f'<text class="big" x="24" y="38">{text}</text>', i, i, count))
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 868 300" width="868" '
            'height="300" role="img">',
            "<title>A network learns to read handwritten digits</title>",
            f"<style>{STYLE}</style>",
            '<rect class="card" x="0.5" y="0.5" width="867" height="299" rx="8"/>',
            *parts,
            *curves(steps, frames),
            *digits(frames, images, labels),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    path = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_suffix(".svg")
    frames, (images, labels) = train(STEPS)
    path.write_text(picture(STEPS, frames, images, labels), encoding="utf-8")
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1000:.0f} kB")
