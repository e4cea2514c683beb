"""Images a second through the DataLoader against PyTorch's, and the memory of large data.

python benchmarks/loading.py augment    # affine and flip of images in memory
python benchmarks/loading.py folder     # 10,000 JPEGs, larger than the memory the process may use
OPENBLAS_NUM_THREADS=1 python benchmarks/loading.py overlap    # augmentation beside the step
python benchmarks/loading.py tokens     # 6 GB of tokens

PyTorch gets the same transforms, written with its own grid_sample for a batch at a time, and for
an image at a time as its data sets usually do. ``folder`` gives both loaders the same decoder.
"""

import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import firstlight as fl
from firstlight.data.augment import Compose, RandomAffine, RandomHorizontalFlip
from firstlight.data.dataset import ArrayDataset
from firstlight.data.lazy import LazyRows
from firstlight.data.loader import DataLoader
from firstlight.data.transforms import Scale
from firstlight.datasets._image_decoding import ImageArray, decode

COUNT, BATCH = 20_000, 128
FILES, PIXELS, SIZE = 10_000, (384, 512), (64, 64, 3)
LIMIT = 2**29  # bytes of address space for `folder`, 512 MiB: less than the files have
FOLDER = Path(os.environ.get("LOADING_FOLDER", Path(tempfile.gettempdir()) / "loading_benchmark"))
AUGMENT = Compose([RandomAffine(10, (0.07, 0.07), (0.9, 1.1), 10), RandomHorizontalFlip()])
KINDS = [(0, "threads"), (1, "threads"), (2, "threads"), (2, "processes")]


def memory():
    """Return the resident memory of this process in MB: all, and without mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    total = next(line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(total) / 1024, int(sizes["RssAnon"]) / 1024


def cpu():
    """Return the processor time of this process and its workers, in seconds."""
    total = time.process_time()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            total += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return total


def show(what, loader, images):
    """Print images a second, and for each second of processor time, which other work leaves alone.

    The first batches, which start the workers, are not counted.
    """
    batches, seen, began = iter(loader), 0, None
    for index, batch in enumerate(batches):
        if index == 4:
            began, before = time.perf_counter(), cpu()
        elif began is not None:
            seen += len(batch[1])
            if seen >= images:
                break
    seconds, busy = time.perf_counter() - began, cpu() - before
    rates = f"{seen / seconds:>8,.0f} images/s {seen / busy:>8,.0f} images/CPU-s"
    print(f"{what:<48} {rates}", flush=True)
    if hasattr(batches, "close"):
        batches.close()


# --- images in memory ------------------------------------------------------------------------


def made():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (COUNT, 32, 32, 3)).astype("uint8")
    return x, rng.integers(0, 10, COUNT)


def augment():
    data = ArrayDataset(*made(), transform=Scale(255))
    for number, workers in KINDS:
        options = {"shuffle": True, "num_workers": number, "workers": workers}
        loader = DataLoader(data, BATCH, transform=AUGMENT, **options)
        show(f"firstlight, {number} {workers}", loader, 12_000)
    peer_augment()


def peer_augment():
    import torch

    x, y = made()
    x = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    for number in (0, 2):
        options = {"num_workers": number, "drop_last": True}
        order = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(x), BATCH, True)
        whole = torch.utils.data.DataLoader(
            PeerImages(x, y, each=False), batch_size=None, sampler=order, num_workers=number
        )
        show(f"PyTorch, {number} processes, a batch at a time", whole, 12_000)
        single = torch.utils.data.DataLoader(
            PeerImages(x, y, each=True), BATCH, shuffle=True, **options
        )
        show(f"PyTorch, {number} processes, an image at a time", single, 3_000)


class PeerImages:
    """Augmented images for PyTorch's loader, one by one or for a list of indices."""

    def __init__(self, x, y, each):
        self.x, self.y, self.each = x, y, each

    def __len__(self):
        return len(self.x)

    def __getitem__(self, places):
        x = self.x[places].float().div_(255)
        x = peer_transform(x[None])[0] if self.each else peer_transform(x)
        return x, self.y[places]


def peer_transform(x):
    """Turn, shift, scale, shear and mirror images (N, C, H, W) as `AUGMENT` does."""
    import torch
    from torch.nn import functional

    n = len(x)

    def drawn(low, high):
        return torch.empty(n).uniform_(low, high)

    angle, shear = torch.deg2rad(drawn(-10, 10)), torch.tan(torch.deg2rad(drawn(-10, 10)))
    scale, flip = drawn(0.9, 1.1), torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    matrix = torch.stack(
        [cos * flip, sin + shear * cos, drawn(-0.14, 0.14), -sin * flip, cos, drawn(-0.14, 0.14)], 1
    )
    grid = functional.affine_grid(matrix.view(n, 2, 3), x.shape, align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


# --- a folder --------------------------------------------------------------------------------


def folder():
    generate()
    size = sum(file.stat().st_size for file in FOLDER.glob("*/*.jpg"))
    print(f"{FILES:,} JPEGs of {PIXELS[0]} x {PIXELS[1]}, {size / 2**20:,.0f} MB", flush=True)
    for mode in ("epoch", "rates", "peer_rates"):
        subprocess.run([sys.executable, __file__, mode], check=True)


def generate():
    """Write the files: noise, so that they do not compress well."""
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (2 * PIXELS[0], 2 * PIXELS[1], 3), "uint8")

    def write(number):
        path = FOLDER / f"class{number % 10}" / f"{number}.jpg"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            top, left = number // 100 * 3, number % 100 * 5
            part = noise[top : top + PIXELS[0], left : left + PIXELS[1]]
            Image.fromarray(part // 2 + number % 10 * 12).save(path, quality=75)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(FILES)))


def epoch():
    """Go through all images, with less memory than they need, decoded or not."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    splits = fl.datasets.load(
        f"images:{FOLDER}", size=SIZE[:2], keep="none", val_size=0, test_size=0
    )
    loader, seen, began = splits.loader("train"), 0, time.perf_counter()
    for x, _ in loader:
        seen += len(x)
        if seen in (320, 2_560, 5_120, 9_984, FILES):
            print(f"{seen:>6} images, resident {memory()[0]:.0f} MB", flush=True)
    seconds = time.perf_counter() - began
    print(f"limit {LIMIT / 2**20:.0f} MB of address space", flush=True)
    print(f"an epoch by {splits.num_workers} threads: {seen / seconds:,.0f} images/s", flush=True)


def paths():
    return sorted(map(str, FOLDER.glob("*/*.jpg")))


def rates():
    files = paths()
    labels = np.arange(len(files)) % 10
    data = ArrayDataset(ImageArray(files, SIZE), labels, transform=Scale(255))
    for number, workers in KINDS:
        options = {"shuffle": True, "num_workers": number, "workers": workers}
        loader = DataLoader(data, 32, transform=RandomHorizontalFlip(), **options)
        show(f"firstlight, {number} {workers}", loader, 2_000)
    kept = LazyRows(data.arrays[0].in_file(FOLDER / "kept"), np.arange(len(files)))
    data = ArrayDataset(kept, labels, transform=Scale(255))
    loader = DataLoader(data, 32, shuffle=True, transform=RandomHorizontalFlip(), num_workers=1)
    show('firstlight, keep="file", 1 thread', loader, 9_000)


def peer_rates():
    import torch

    for number in (0, 2):
        for name, decoder in (("the same decoder", peer_decode), ("Image.open", plain_decode)):
            data = PeerFiles(paths(), decoder)
            loader = torch.utils.data.DataLoader(data, 32, shuffle=True, num_workers=number)
            show(f"PyTorch, {number} processes, {name}", loader, 2_000)


class PeerFiles:
    """Decoded and mirrored images for PyTorch's loader."""

    def __init__(self, files, decoder):
        self.files, self.decoder = files, decoder

    def __len__(self):
        return len(self.files)

    def __getitem__(self, place):
        import torch

        x = torch.from_numpy(self.decoder(self.files[place])).permute(2, 0, 1).float().div_(255)
        return (x.flip(2) if torch.rand(()) < 0.5 else x), place % 10


def peer_decode(path):
    return decode(path, SIZE).copy()  # writable, as PyTorch wants it


def plain_decode(path):
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.fit(image.convert("RGB"), SIZE[:2], Image.Resampling.BILINEAR)
        return np.array(image)


# --- beside the step -------------------------------------------------------------------------


def overlap():
    x, y = (array[: 40 * BATCH] for array in made())
    data = ArrayDataset(x, y, transform=Scale(255))

    def seconds(**options):
        fl.seed_everything(0)
        loader = DataLoader(data, BATCH, shuffle=True, **options)
        net = fl.models.CNN((32, 32, 3), 10, channels=(8, 16), hidden=(64,))
        trainer = fl.Trainer(max_epochs=5, default_callbacks=False, runs_dir=None)
        return min(trainer.fit(net, loader)["epoch_seconds"])

    began = time.perf_counter()
    list(DataLoader(data, BATCH, shuffle=True, transform=AUGMENT))
    alone, step = time.perf_counter() - began, seconds()
    print(f"an epoch of 40 batches: augmentation {alone:.2f} s, steps {step:.2f} s")
    for number, workers in KINDS:
        both = seconds(transform=AUGMENT, num_workers=number, workers=workers)
        print(f"{number} {workers}: {both:.2f} s, {both - step:+.2f} s to the steps", flush=True)


# --- tokens ----------------------------------------------------------------------------------


def tokens():
    from firstlight.datasets.text import Blocks

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "tokens"
        mapped = np.memmap(path, "uint16", "w+", shape=(3 * 10**9,))  # sparse: zeros
        data = Blocks(mapped, 64)
        print(f"{len(data):,} samples of 64 tokens, {mapped.nbytes / 1e9:.0f} GB", flush=True)
        drawn = functools.partial(DataLoader, data, 32, shuffle=True)
        taken = functools.partial(DataLoader, Taken(data), 32, shuffle=True)
        for name, make in (("drawn", drawn), ("taken in a random order", taken)):
            before, began = memory()[1], time.perf_counter()
            for index, _ in enumerate(make()):
                if index == 2_000:
                    break
            each = (time.perf_counter() - began) / 2
            print(f"{name}: {memory()[1] - before:+.1f} MB of own memory, {each:.2f} ms a batch")


class Taken:
    """Samples by index, of a data set that also draws."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, places):
        return self.data[places]


if __name__ == "__main__":
    globals()[sys.argv[1] if len(sys.argv) > 1 else "augment"]()
