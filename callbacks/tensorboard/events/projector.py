"""write_projector: vectors with labels and pictures, for TensorBoard's PROJECTOR tab."""

import io
from pathlib import Path

import numpy as np

from firstlight.support.backend import to_host
from firstlight.support.files import write_atomically
from firstlight.tools.figures.canvas import as_pictures

SPRITE = 8192  # pixels: TensorBoard takes no larger sheet of pictures
CONFIG = """\
embeddings {{
  tensor_name: "{name}"
  tensor_path: "projector/vectors.tsv"
  metadata_path: "projector/labels.tsv"
{sprite}}}
"""
SHEET = """\
  sprite {{
    image_path: "projector/images.png"
    single_image_dim: {width}
    single_image_dim: {height}
  }}
"""


def write_projector(folder, vectors, labels, images=None, name="embedding"):
    """Write the files from which TensorBoard draws the vectors as points in two or three axes.

    ``projector_config.pbtxt`` lies in the folder of the run, what it names in ``projector/``.

    Parameters
    ----------
    folder : path-like
        A run's.
    vectors : array, shape (N, D)
    labels : list of str
        One for each vector.
    images : array, shape (N, H, W, 1) or (N, H, W, 3), optional
        Shown at the points.
    name : str
        Of the vectors.

    Raises
    ------
    ValueError
        Not one label and one image for each vector.
    """
    vectors = np.asarray(to_host(vectors))
    if vectors.ndim != 2 or len(labels) != len(vectors):
        raise ValueError(
            f"write_projector: expected vectors (N, D) and N labels, got {vectors.shape} and "
            f"{len(labels)} labels"
        )
    folder, sprite = Path(folder), ""
    inner = folder / "projector"
    inner.mkdir(exist_ok=True)
    rows = ("\t".join(f"{value:.6g}" for value in row) for row in vectors)
    write_atomically(inner / "vectors.tsv", "\n".join(rows) + "\n")
    lines = (" ".join(str(label).split()) or "-" for label in labels)
    write_atomically(inner / "labels.tsv", "\n".join(lines) + "\n")
    if images is not None:
        if len(images) != len(vectors):
            raise ValueError(f"write_projector: expected {len(vectors)} images, got {len(images)}")
        pictures = as_pictures(images)
        height, width = pictures.shape[1:3]
        if max(height, width) * int(np.ceil(np.sqrt(len(pictures)))) <= SPRITE:
            write_atomically(inner / "images.png", _sheet(pictures))
            sprite = SHEET.format(width=width, height=height)
    write_atomically(folder / "projector_config.pbtxt", CONFIG.format(name=name, sprite=sprite))


def _sheet(pictures):
    """Return a PNG file of all pictures on one square, row by row; dark on light."""
    from matplotlib.image import imsave

    count, height, width = pictures.shape[:3]
    side = int(np.ceil(np.sqrt(count)))
    sheet = np.zeros((side, side, *pictures.shape[1:]), pictures.dtype)
    sheet.reshape(side * side, *pictures.shape[1:])[:count] = pictures
    whole = sheet.swapaxes(1, 2).reshape(side * height, side * width, *pictures.shape[3:])
    content = io.BytesIO()
    imsave(content, whole, cmap="gray_r", format="png")
    return content.getvalue()
