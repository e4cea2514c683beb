"""image_grid: many images side by side."""

from firstlight.tools.figures.canvas import as_pictures, draw, page, size_of


def image_grid(images, titles=None, *, columns=8, title=""):
    """Show images in rows, all with the same scale of grey.

    Parameters
    ----------
    images : array, shape (N, H, W, 1) or (N, H, W, 3)
    titles : list of str, optional
        One for each image.
    columns : int
        Images in a row.
    title : str
        Of the whole figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        What came is no images, or there are not as many titles.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.figures import image_grid
    >>> figure = image_grid(np.random.default_rng(0).random((6, 8, 8, 1)), columns=3)
    """
    pictures = as_pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(
            f"image_grid: expected {len(pictures)} titles, one for each image, got {len(titles)}"
        )
    shape = size_of(len(pictures), columns, pictures.shape[1:], titles)
    figure = page(*shape, title)
    draw(figure.add_subplot(), pictures, columns=columns, titles=titles)
    return figure
