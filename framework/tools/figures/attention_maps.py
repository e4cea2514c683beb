"""attention_maps: where each head of an attention layer looks, and how to get to know it."""

import numpy as np

from firstlight.nn import MultiHeadAttention
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import page, plain, scale_beside

WRITTEN = 40  # with more tokens their names would overlap
SPECIAL = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})  # else there would be nothing to see


def attention_weights(module, x):
    """Run a module in evaluation mode, and return the weights that its attention layers used.

    Parameters
    ----------
    module : Module
    x : array
        A batch; of a language model tokens (N, T).

    Returns
    -------
    dict of str to array, shape (N, H, T, S)
        By the layers' names, in the order in which they ran.
    """
    found = {}

    def recording(name, layer, forward):
        def recorded(*inputs):
            found[name] = to_host(layer.weights(*inputs))
            return forward(*inputs)

        return recorded

    layers = [part for part in module.named_modules() if isinstance(part[1], MultiHeadAttention)]
    training = module.training
    module.eval()
    for name, layer in layers:
        layer.forward = recording(name or "attention", layer, layer.forward)  # hides the class's
    try:
        module(x)
    finally:
        for _, layer in layers:
            del layer.forward
        module.train(training)
    return found


def attention_maps(weights, tokens, *, keys=None, titles=None, columns=4, title=""):
    """Show the attention weights of each head: from the token of a row to that of a column.

    All heads share one scale, so that what a head looks at firmly can be told from what it takes
    an average of.

    Parameters
    ----------
    weights : array, shape (H, T, S)
        Of one sample; each row sums to 1.
    tokens : list of str
        The T queries. White space is shown by signs for it.
    keys : list of str, optional
        The S keys, if they are others than the queries, as in cross-attention.
    titles : list of str, optional
        One for each head; "head 0", "head 1", ... by default.
    columns : int
        Heads side by side.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Weights of another shape than the tokens make, or not as many titles as heads.
    """
    weights = np.asarray(to_host(weights))
    keys = tokens if keys is None else keys
    if weights.ndim != 3 or weights.size == 0 or weights.shape[1:] != (len(tokens), len(keys)):
        raise ValueError(
            f"attention_maps: expected weights of shape (H, {len(tokens)}, {len(keys)}) for "
            f"{len(tokens)} tokens and {len(keys)} keys, got {weights.shape}; give one sample, "
            "e.g. weights[0]"
        )
    heads = len(weights)
    titles = [f"head {number}" for number in range(heads)] if titles is None else titles
    if len(titles) != heads:
        raise ValueError(f"attention_maps: expected {heads} titles, got {len(titles)}")
    columns = min(heads, columns)
    rows = -(-heads // columns)
    written = max(len(tokens), len(keys)) <= WRITTEN
    width, height = (max(1.8, 0.14 * len(names) * written + 0.3) for names in (keys, tokens))
    room = [0.07 * max(len(str(name)) for name in names) * written for names in (tokens, keys)]
    figure = page(columns * width + room[0] + 0.9, rows * (height + 0.3) + room[1], title)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[heads:]:
        axes.set_visible(False)
    for axes, head, name in zip(grid.flat, weights, titles, strict=False):
        image = axes.imshow(head, cmap="Blues", vmin=0, vmax=float(weights.max()))
        axes.set_title(plain(name), fontsize=9)
        axes.tick_params(length=0, labelsize=7)
        axes.spines[:].set_color("lightgray")
    if written:
        signs = [
            [plain(str(name).translate(SPECIAL)) for name in names] for names in (keys, tokens)
        ]
        grid[0, 0].set_xticks(range(len(keys)), signs[0])
        grid[0, 0].set_yticks(range(len(tokens)), signs[1])
        if max(map(len, signs[0])) > 1:
            for axes in grid.flat:
                axes.tick_params(axis="x", labelrotation=90)
    for column in range(columns):  # the lowest head of each column bears the names of the keys
        lowest = grid[(heads - 1 - column) // columns, column]
        lowest.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel("from", fontsize=8)
    figure.supxlabel("to", fontsize=8)
    scale_beside(figure, image, "attention weight")
    return figure
