"""Damaged and hostile files: 1,300 mutations of what the data sets and settings are read from.

What is accepted must be what another reader finds in the same bytes; what is refused must be
refused by a message with the file and what to do. Nothing may run, hang, or take a gigabyte.
"""

import csv
import gzip
import io
import json
import zlib

import numpy as np
import pytest
import yaml
from fuzzing import CURE, Watch, mutated

from firstlight.checkpoints.fingerprints import read_fingerprints
from firstlight.checkpoints.format import Checkpoint
from firstlight.data import tokenizers
from firstlight.data.preprocessing import Preprocessing
from firstlight.datasets import load, prepare_tokens
from firstlight.datasets._lines import CellError
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import load_config
from firstlight.tools.report import read_sections
from firstlight.tools.sweeps import load_spec
from firstlight.tools.sweeps.space import Choice

pytestmark = pytest.mark.slow
WATCH = Watch()
COUNT = 100  # mutations of each format
TEXT = "To be, or not to be: that is the question.\nWhether 'tis nobler — größer.\n" * 6
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
IDX += ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Accepted(Exception):
    """Another reader refuses what was accepted, or finds something else."""


def same(mine, theirs):
    if isinstance(mine, np.ndarray) or isinstance(theirs, np.ndarray):
        return np.array_equal(mine, theirs, equal_nan=np.asarray(theirs).dtype.kind in "fc")
    return mine == theirs or (mine != mine and theirs != theirs) or repr(mine) == repr(theirs)


# --- settings ------------------------------------------------------------------------------------

CONFIG = b"""model: {name: mlp, hidden: [32, 16], lr: 1.0e-3, norm: null}
data: &data {name: digits, batch_size: 64}
callbacks:
  early_stopping: {patience: 5}
trainer: {max_epochs: 10, val_every: 500 steps}
more: *data
seed: 1
"""
SWEEP = b"""name: s
method: grid
metric: val_loss
fit: {model: mlp, data: digits}
parameters:
  model.lr: {min: 0.0001, max: 0.1, step: 0.01}
  model.hidden: ["32", "64,64"]
  seed: {min: 1, max: 9}
"""


def plain(content):
    """Read settings as JSON or YAML, by the packages alone."""
    text = content.decode("utf-8-sig")
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def read_config(path):
    found = load_config(path)
    theirs = plain(path.read_bytes())
    if not same(found, {} if theirs is None else {n: v for n, v in theirs.items() if n != "facts"}):
        raise Accepted(found)


def read_sweep(path):
    spec, theirs = load_spec(path), plain(path.read_bytes())
    for name in ("fit", "metric", "seed", "name"):
        if name in theirs and not same(getattr(spec, name), theirs[name]):
            raise Accepted(name)
    assert 1 <= spec.trials <= 100_000
    optuna = pytest.importorskip("optuna")
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    for name, one in spec.space.items():
        value = one.suggest(trial, name)
        assert value in one.values if isinstance(one, Choice) else one.min <= value <= one.max


def read_tokenizer(path):
    made = tokenizers.load(path)
    if {"kind": made.name, **made.state_dict()} != json.loads(path.read_bytes()):
        raise Accepted(made)
    made.encode("to be")
    made.decode(np.arange(made.vocab_size))


def read_markdown(path):
    read_sections(path)


# --- data ----------------------------------------------------------------------------------------


def rows_of(splits):
    parts = [p for p in (splits.train, splits.val, splits.test) if p is not None]
    return [np.concatenate(arrays) for arrays in zip(*(p.arrays for p in parts), strict=True)]


def read_npz(path):
    splits = load(path)
    mine = rows_of(splits)
    with np.load(io.BytesIO(path.read_bytes())) as theirs:
        arrays = dict(theirs)
    names = [n for n in arrays if n != "classes"]
    for array in mine[:1]:
        flat = array.reshape(len(array), -1)
        there = [
            np.asarray(arrays[n]).reshape(len(arrays[n]), -1) for n in names if arrays[n].ndim > 1
        ]
        values = np.concatenate([t.ravel() for t in there])
        if not np.isin(flat.ravel(), values).all() or len(flat) != sum(map(len, there)):
            raise Accepted(path)


def read_tokens(path):
    splits = load("text", path=str(path), block_size=8)
    theirs = np.load(path, allow_pickle=False)
    tokens = np.concatenate([splits.train.tokens, splits.val.tokens])
    if not np.array_equal(tokens, theirs):
        raise Accepted(path)
    for split in (splits.train, splits.val):
        x, _ = split[np.arange(len(split))]
        if x.max() >= splits.tokenizer.vocab_size:
            raise Accepted("tokens that do not exist")


def read_text(path):
    splits = load("text", path=str(path), tokenizer="byte", block_size=8)
    tokens = np.concatenate([splits.train.tokens, splits.val.tokens])
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if bytes(tokens.tolist()) != content or not content.decode():
        raise Accepted(path)


def read_idx(path):
    splits = load("mnist", data_dir=str(path.parent), val_size=5)
    for split, (images, labels) in (("train", IDX[:2]), ("test", IDX[2:])):
        parts = [splits.train, splits.val] if split == "train" else [splits.test]
        mine = [np.concatenate(arrays) for arrays in zip(*(p.arrays for p in parts), strict=True)]
        for name, array in zip((images, labels), mine, strict=True):
            file = path.parent / name
            if file.exists():
                content = file.read_bytes()
            else:
                content = gzip.decompress(file.with_name(f"{name}.gz").read_bytes())
            start = 4 + 4 * content[3]
            if (
                content[:3] != b"\0\0\x08"
                or bytes(array.astype("uint8").ravel()) != content[start:]
            ):
                raise Accepted(name)


def read_csv(path):
    x = rows_of(load(path))[0]
    text, lines = path.read_bytes().decode("utf-8-sig"), 0
    for delimiter in ",;\t":
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
        lines = max(lines, len(rows))
    if not lines - 1 <= len(x) <= lines:  # one may be the header
        raise Accepted(f"{len(x)} rows of {lines} lines")


def read_checkpoint(path):
    found = Checkpoint.load(path)
    first = Checkpoint.load(path.with_name("first"))
    if vars(found).keys() != vars(first).keys() or found.step != first.step:
        raise Accepted(path)
    assert all(np.array_equal(found.model[n], a) for n, a in first.model.items())


def read_hashes(path):
    found = read_fingerprints(path.parent)
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]
    there = [json.loads(line) for line in lines]
    if found != {one["step"]: one["hashes"] for one in there}:
        raise Accepted(path)


def read_preprocessing(path):
    found = Preprocessing.load(path.parent).to_dict()
    if not same(Preprocessing.from_dict(found).to_dict(), found):
        raise Accepted(path)


# --- valid files of each -------------------------------------------------------------------------


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype("uint8").tobytes()


def seeds(folder):
    """Return ``{format: (bytes of a valid file, its name, reader)}``, all files in the folder."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)).astype("float32"), np.arange(40) % 3
    file = io.BytesIO()
    np.savez(file, x=x, y=y, classes=["a", "b", "c"])
    packed = io.BytesIO()
    np.savez_compressed(packed, x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    (folder / "t.txt").write_text(TEXT)
    prepare_tokens(folder / "t.txt", folder / "tokens.npy", tokenizer="char")
    tokenizers.make("bpe", [TEXT], 300).save(folder / "bpe.json")
    tokenizers.make("char", [TEXT]).save(folder / "char.json")
    for name in IDX:
        shape = (40, 4, 4) if "images" in name else (40,)
        (folder / name).write_bytes(idx(rng.integers(0, 10, shape)))
    lines = [f"{a:.3f},{b:.3f},{'xyz'[k]}" for (a, b, _), k in zip(x, y, strict=True)]
    table = "\n".join(["width,height,kind", *lines]) + "\n"
    amounts = "\n".join(f"{a:.3f};{b:.3f};{a - b:.4f}" for a, b, _ in x) + "\n"
    Checkpoint({"w": x, "b": y}, step=7, epoch=2, config={"a": [1]}).save(folder / "first")
    Preprocessing.of(load("digits")).save(folder)
    hashes = "".join(json.dumps({"step": s, "hashes": {"w": "ab"}}) + "\n" for s in range(9))
    markdown = "# Title\n\n## Question\n\nWhy?\n\n## Data\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    return {
        "yaml": (CONFIG, "c.yaml", read_config),
        "json": (json.dumps(yaml.safe_load(CONFIG)).encode(), "c.json", read_config),
        "sweep": (SWEEP, "s.yaml", read_sweep),
        "bpe": ((folder / "bpe.json").read_bytes(), "bpe.json", read_tokenizer),
        "char": ((folder / "char.json").read_bytes(), "char.json", read_tokenizer),
        "markdown": (markdown.encode(), "words.md", read_markdown),
        "npz": (file.getvalue(), "a.npz", read_npz),
        "npz packed": (packed.getvalue(), "a.npz", read_npz),
        "tokens": ((folder / "tokens.npy").read_bytes(), "tokens.npy", read_tokens),
        "tokens' json": ((folder / "tokens.json").read_bytes(), "tokens.json", read_tokens),
        "text": (TEXT.encode(), "t.txt", read_text),
        "idx images": ((folder / IDX[0]).read_bytes(), IDX[0], read_idx),
        "idx labels": ((folder / IDX[3]).read_bytes(), IDX[3], read_idx),
        "idx packed": (gzip.compress((folder / IDX[0]).read_bytes()), f"{IDX[0]}.gz", read_idx),
        "csv": (table.encode(), "t.csv", read_csv),
        "csv amounts": (amounts.encode(), "t.csv", read_csv),
        "checkpoint": ((folder / "first").read_bytes(), "c.safetensors", read_checkpoint),
        "fingerprints": (hashes.encode(), "fingerprints.jsonl", read_hashes),
        "preprocessing": (
            (folder / "preprocessing.json").read_bytes(), "preprocessing.json", read_preprocessing,
        ),
    }  # fmt: skip


FORMATS = (
    *("yaml", "json", "sweep", "bpe", "char", "markdown", "npz", "npz packed", "tokens"),
    *("tokens' json", "text", "idx images", "idx labels", "idx packed", "csv", "csv amounts"),
    *("checkpoint", "fingerprints", "preprocessing"),
)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_mutated_files(kind, tmp_path):
    valid = seeds(tmp_path)
    assert set(valid) == set(FORMATS)
    content, name, read = valid[kind]
    path = tmp_path / name
    if name.endswith(".gz"):
        path.with_suffix("").unlink()
    path.write_bytes(content)
    target = tmp_path / "tokens.npy" if name == "tokens.json" else path
    read(target)  # the valid file, which also imports all that reading needs
    rng, wrong, refused = np.random.default_rng(zlib.crc32(kind.encode())), [], 0
    for number in range(COUNT):
        data = mutated(content, rng)
        path.write_bytes(data)
        try:
            with WATCH.reading(tmp_path):
                read(target)
        except (ValueError, OSError, UsageError) as error:
            refused += 1
            message = str(error)
            ours = (ValueError, CellError, OSError, FileNotFoundError, UsageError)
            if type(error) not in ours:
                wrong.append((number, data[:200], f"{type(error).__name__}: {message}"))
            elif path.name not in message and path.stem not in message:
                wrong.append((number, data[:200], f"no file in: {message}"))
            elif not CURE.search(message) or len(message) > 2000:
                wrong.append((number, data[:200], f"no cure in: {message}"))
        except BaseException as error:  # Accepted, CodeRun, Hang, MemoryError, or of Python inside
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong.append((number, data[:200], f"{type(error).__name__}: {error}"))
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n".join(map(str, wrong[:8]))
    assert refused > COUNT // 20
