"""Figures of the weights of attention layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import SCALE, entitle, panels, plain, scale_below
from firstlight.tools.figures.style import widest
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 40  # with more tokens their names would overlap
SPECIAL = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})  # signs for what is invisible


def attention_weights(module: Module, x: Array) -> dict[str, Array]:
    """Run a module in evaluation mode, and return the weights of its attention layers.

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
    from firstlight.nn import MultiHeadAttention
    from firstlight.tools.diagnose.probes.recorded_calls import recorded_evaluation

    return {
        call.name or "attention": to_host(call.module.weights(*call.inputs))
        for call in recorded_evaluation(module, x)
        if isinstance(call.module, MultiHeadAttention)
    }


def attention_maps(
    weights: Array,
    tokens: Sequence[str],
    *,
    keys: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    title: str = "",
) -> "Figure":
    """Show the attention weights of each head: from the token of a row to that of a column.

    All heads share one scale, so that strong attention differs visibly from an average.

    Parameters
    ----------
    weights : array, shape (H, T, S)
        Of one sample; each row sums to 1.
    tokens : list of str
        The T queries. White space is shown by signs.
    keys : list of str, optional
        The S keys, if they are not the queries, as in cross-attention.
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
    if titles is None:
        titles = [say("head {number}").format(number=number) for number in range(heads)]
    if len(titles) != heads:
        raise ValueError(f"attention_maps: expected {heads} titles, got {len(titles)}")
    written = max(len(tokens), len(keys)) <= WRITTEN
    width, height = (max(1.8, 0.155 * len(names) * written + 0.3) for names in (keys, tokens))
    room = [0.07 * max(len(str(name)) for name in names) * written for names in (tokens, keys)]
    margin = room[0] + 0.4, room[1] + SCALE
    height *= min(1.0, (widest() - margin[0]) / width)  # as `panels` may make the width smaller
    figure, grid = panels(
        heads,
        columns,
        (width, height + 0.3),
        title,
        margin=margin,
        sharex=True,
        sharey=True,
    )
    for axes, head, name in zip(grid, weights, titles, strict=True):
        image = axes.imshow(head, cmap="Blues", vmin=0, vmax=float(weights.max()))
        entitle(axes, name)
        axes.tick_params(length=0, labelsize=8)
        axes.spines[:].set_color("lightgray")
    if written:
        signs = [[plain(str(n).translate(SPECIAL)) for n in names] for names in (keys, tokens)]
        grid[0].set_xticks(range(len(keys)), signs[0])
        grid[0].set_yticks(range(len(tokens)), signs[1])
        if max(map(len, signs[0])) > 1:
            for axes in grid:
                axes.tick_params(axis="x", labelrotation=90)
    columns = grid[0].get_gridspec().ncols
    for axes in grid[-columns:]:  # the lowest head of each column has the names of the keys
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(say("to"), fontsize=8)
    for axes in grid[::columns]:
        axes.set_ylabel(say("from"), fontsize=8)
    scale_below(figure, image, say("attention weight"))
    table = np.indices(weights.shape).reshape(3, -1)  # head, row, column
    names = [np.array(list(map(str, names)), object) for names in (tokens, keys)]
    keep_numbers(
        figure,
        "attention",
        {
            "head": np.array(list(map(str, titles)), object)[table[0]],
            "from": names[0][table[1]],
            "to": names[1][table[2]],
            "weight": weights.ravel(),
        },
    )
    return figure
