"""What a page needs of the data: its kind, samples to choose from, and how inputs are prepared."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight import nn
from firstlight.data.dataset import ArrayDataset
from firstlight.data.splits import DataSplits
from firstlight.data.transforms import Scale
from firstlight.module import Module
from firstlight.support import rng
from firstlight.support.array import Array
from firstlight.tools.demo.encoding import Packer

KINDS = ("image", "text", "curve", "table")
EVALUATED = 2000  # samples, at most
EVALUATED_TEXTS = 24
SHOWN, MISTAKES = 20, 8  # samples to choose from
MEASURED = 1000  # images, for where ink lies
PROMPT = 30  # characters
MOST_POINTS = 60  # of a curve
BATCH = 100


@dataclass
class Content:
    """The data of a page.

    Attributes
    ----------
    kind : {"image", "text", "curve", "table"}
    split : str
        The split that samples and the accuracy are from: validation data if there are some.
    x, y : array
        Its first samples as the network gets them, and their targets.
    page : dict
        What JavaScript gets, JSON-able.
    """

    kind: str
    split: str
    x: Array
    y: Array
    page: dict[str, Any] = field(default_factory=dict)


def kind_of(data: DataSplits) -> str:
    """Return which page shows a network for these data.

    Raises
    ------
    ValueError
        None does.
    """
    shape = tuple(data.input_shape)
    if data.tokenizer is not None:
        return "text"
    if data.classes is not None and len(shape) == 3 and shape[2] in (1, 3):
        return "image"
    if data.classes is None and shape in ((1,), ()):
        return "curve"
    if len(shape) == 1:
        return "table"
    raise ValueError(
        f"{data.name}: expected images (H, W, 1 or 3) with classes, text, a table (F,), or points "
        f"of a curve (1,); a demo has no page for inputs of shape {shape} with {data.kind}"
    )


def gather(data: DataSplits) -> Content:
    """Return kind and samples of the data; the rest of the page needs the network's answers."""
    kind = kind_of(data)
    split = next(name for name in ("val", "test", "train") if name in data.parts)
    part = getattr(data, split)
    count = min(len(part), EVALUATED_TEXTS if kind == "text" else EVALUATED)
    sample = part[np.arange(count)]
    if len(sample) < 2:
        raise ValueError(f"{data.name}: expected samples with targets (x, y), got x alone")
    x, y = sample[:2]
    if len(x) < 2:
        raise ValueError(
            f"{data.name}: expected two {split} samples or more, on which forward is recorded, got "
            f"{len(x)}"
        )
    if data.classes is not None:
        if y.size != len(y):
            raise ValueError(
                f"{data.name}: expected one class for each sample, got targets of shape {y.shape}"
            )
        y = y.reshape(-1).astype(int)
    return Content(kind, split, x, y)


def predictions(model: Module, x: Array) -> Array:
    """Return the outputs for x in evaluation mode, a few samples at a time."""
    return np.concatenate([model(x[i : i + BATCH]) for i in range(0, len(x), BATCH)])


def score(model: Module, content: Content, classes: Any, outputs: Array) -> tuple[str, float]:
    """Return the name of what is measured, accuracy or loss, and its value."""
    if classes is not None:
        return "accuracy", float(np.mean(chosen(outputs, len(classes)) == content.y))
    usual = nn.CrossEntropyLoss if content.kind == "text" else nn.MSELoss
    loss = getattr(model, "loss", None) or usual().eval()
    return "loss", float(loss(outputs, content.y))


def check_scores(model: Module, outputs: Array, data: DataSplits) -> None:
    """Raise a ValueError unless there is a score for each class, or one for two classes."""
    if data.classes is None:
        return
    count, shape = len(data.classes), outputs.shape[1:]
    if shape != (count,) and not (count == 2 and shape in ((), (1,))):
        raise ValueError(
            f"{type(model).__name__}: expected {count} scores for each sample, as {data.name} has "
            f"{data.kind}, got outputs of shape {shape}; is it the model of these data?"
        )


def chosen(outputs: Array, classes: int) -> Array:
    """Return the class with the highest score; of one score for two classes, 1 if it is above 0."""
    rows = outputs.reshape(len(outputs), -1)
    return (rows[:, 0] > 0).astype(int) if rows.shape[1] < classes else rows.argmax(axis=1)


def complete(content: Content, data: DataSplits, outputs: Array) -> None:
    """Add to the page what its kind needs."""
    fill = {"image": _image, "text": _text, "curve": _curve, "table": _table}[content.kind]
    content.page |= fill(content, data, outputs)


# --- images -------------------------------------------------------------------------------------


def _image(content, data, outputs):
    part, scale = getattr(data, content.split), data.transform
    scaled = type(part) is ArrayDataset and type(scale) is Scale
    raw = part.arrays[0][: len(content.x)] if scaled else content.x
    low, high = (0.0, scale.high) if scaled else (float(raw.min()), float(raw.max()))
    shown = (raw.astype("float32") - low) / (high - low)  # (N, H, W, C)  0 ... 1
    if scaled:
        mean, std = (np.asarray(v, "float64").ravel() for v in (scale.mean, scale.std))
    else:
        mean, std = np.array([-low / (high - low)]), np.array([1 / (high - low)])
    predicted = chosen(outputs, len(data.classes))
    picked = _picked(predicted, content.y)
    packer = Packer()
    packer.add(np.ascontiguousarray(np.rint(shown[picked] * 255)), "uint8")
    return {
        "input": {
            "shape": list(shown.shape[1:]),
            "mean": mean.tolist(),
            "std": std.tolist(),
            "ink": ink(shown[:MEASURED]),
        },
        "samples": {
            "tensors": packer.tensors,
            "weights": packer.base64(),
            "labels": content.y[picked].tolist(),
            "wrong": np.flatnonzero(predicted[picked] != content.y[picked]).tolist(),
            "split": content.split,
        },
    }


def _picked(predicted, y):
    """Return indices of samples, the same number of each class if possible, then of mistakes."""
    wrong = np.flatnonzero(predicted != y)[:MISTAKES]
    right = np.flatnonzero(predicted == y)
    classes = np.unique(y)
    each = [right[y[right] == c] for c in classes]
    rows = range(max(map(len, each), default=0))
    turns = [group[row] for row in rows for group in each if row < len(group)]
    found = [*turns[: max(SHOWN - len(wrong), 10)], *wrong] if len(right) else list(wrong)
    return np.array(found, int)


def ink(images: Array) -> dict[str, Any] | None:
    """Return where ink lies in images of drawings; None for other pictures.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
        From 0, the background, to 1.

    Returns
    -------
    dict or None
        ``box``, the median of the longer side of the ink's bounding box in pixels; ``centre``,
        "mass" or "box": what lies more exactly in the middle of the images.
    """
    n, height, width, channels = images.shape
    border = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    if channels != 1 or np.mean(images < 0.05) < 0.3 or np.mean(border < 0.05) < 0.5:
        return None
    sides, boxes, masses = [], [], []
    for image in images[..., 0]:
        rows, columns = (np.flatnonzero(image.max(axis=axis) > 0.2) for axis in (1, 0))
        if not rows.size:
            continue
        sides.append(max(np.ptp(rows), np.ptp(columns)) + 1)
        boxes.append((rows[[0, -1]].mean() + 0.5, columns[[0, -1]].mean() + 0.5))
        weights = image / image.sum()
        places = (np.arange(height) + 0.5, np.arange(width) + 0.5)
        masses.append((weights.sum(axis=1) @ places[0], weights.sum(axis=0) @ places[1]))
    middle = np.array([height / 2, width / 2])
    spread = [np.abs(np.array(found) - middle).mean() for found in (boxes, masses)]
    by_mass = spread[1] < spread[0]
    offset = np.mean(masses if by_mass else boxes, axis=0) - middle
    return {
        "box": float(np.median(sides)),
        "centre": "mass" if by_mass else "box",
        "offset": offset.round(3).tolist(),
    }


# --- text ---------------------------------------------------------------------------------------


def _text(content, data, outputs):
    tokenizer = data.tokenizer
    state = tokenizer.state_dict()
    if tokenizer.name not in ("char", "byte", "bpe"):
        raise ValueError(
            f"{data.name}: expected the tokenizer char, byte or bpe, got {tokenizer.name!r}, whose "
            "vocabulary does not fit into a page"
        )
    return {
        "tokenizer": {"name": tokenizer.name, **state},
        "vocab_size": tokenizer.vocab_size,
        "limit": int(content.x.shape[1]),
        "prompt": _beginning(tokenizer.decode(content.x[0])),
    }


def _beginning(text):
    """Return some words from the start of a line."""
    _, _, rest = text.partition("\n")
    line = (rest if len(rest) > PROMPT else text).lstrip()
    return line[:PROMPT].rpartition(" ")[0] or line[:PROMPT]


# --- curves -------------------------------------------------------------------------------------


def _curve(content, data, outputs):
    count = min(len(data.train), MOST_POINTS)
    x, y = data.train[np.linspace(0, len(data.train) - 1, count).astype(int)][:2]
    mean, std = _moments(data, 1)
    points = np.stack([x.reshape(-1) * std[0] + mean[0], y.reshape(-1)], axis=1)
    others = content.x.reshape(-1) * std[0] + mean[0]
    low, high = min(points[:, 0].min(), others.min()), max(points[:, 0].max(), others.max())
    return {
        "input": {"mean": mean, "std": std},
        "points": points.astype("float64").round(6).tolist(),
        "range": [float(low), float(high)],
    }


def _moments(data, count):
    """Return mean and std of each feature: a network's x is (feature - mean) / std."""
    scale = data.transform if type(data.transform) is Scale else Scale(1.0)
    mean, std, high = (np.asarray(v, "float64") for v in (scale.mean, scale.std, scale.high))
    return [np.broadcast_to(v * high, (count,)).tolist() for v in (mean, std)]


# --- tables -------------------------------------------------------------------------------------


def _table(content, data, outputs):
    names = data.info.get("features") or data.info.get("columns")
    names = names or [f"x{i}" for i in range(data.input_shape[0])]
    mean, std = _moments(data, data.input_shape[0])
    x = data.train[np.arange(min(len(data.train), EVALUATED))][0] * std + mean
    values = np.concatenate([outputs.reshape(-1), content.y.reshape(-1)]).astype("float64")
    picks = rng.derived("split", 0, 0).permutation(len(content.x))[:8]
    return {
        "columns": [
            {
                "name": str(name),
                "mean": mean[i],
                "std": std[i],
                "low": float(x[:, i].min()),
                "high": float(x[:, i].max()),
                "middle": float(np.median(x[:, i])),
                "whole": bool((x[:, i] == np.rint(x[:, i])).all()),
            }
            for i, name in enumerate(names)
        ],
        "target": data.info.get("target") or "",
        "span": [float(values.min()), float(values.max())],
        "samples": {
            "x": (content.x[picks] * std + mean).tolist(),
            "y": content.y[picks].reshape(len(picks), -1)[:, 0].tolist(),
        },
    }


def sample_inputs(content: Content) -> tuple[Array, Array]:
    """Return two inputs to trace a model with, of different numbers of samples and lengths."""
    x = content.x
    if content.kind == "text":
        return x[:2], x[::-1][:3, : max(x.shape[1] - 1, 1)]
    return x[:3], x[1:3]
