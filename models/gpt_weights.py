"""Conversion of GPT-2 weights to and from the names of nanoGPT and Hugging Face.

==========================  ============================================
ours                        theirs, with or without the prefix "transformer."
==========================  ============================================
wte.weight                  wte.weight, and lm_head.weight (tied)
wpe, h.0.ln_1, ln_f, ...    the same
h.0.attn.in_proj_weight     h.0.attn.c_attn.weight
h.0.attn.out_proj.weight    h.0.attn.c_proj.weight
h.0.mlp.linear1.weight      h.0.mlp.c_fc.weight
h.0.mlp.linear2.weight      h.0.mlp.c_proj.weight
==========================  ============================================

Hugging Face stores the last four transposed, (in, out), for its Conv1D; nanoGPT does not.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.support.array import Array

RENAMED = {
    "attn.in_proj_": "attn.c_attn.",
    "attn.out_proj.": "attn.c_proj.",
    "mlp.linear1.": "mlp.c_fc.",
    "mlp.linear2.": "mlp.c_proj.",
}
CONV1D = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
MASKS = re.compile(r"\.attn\.(bias|masked_bias)$")  # constants, not weights


def read_gpt2(weights: Any) -> dict[str, Array]:
    """Return weights as NumPy arrays by name, from a dict or the path of a .safetensors file."""
    if isinstance(weights, (str, Path)):
        from safetensors.numpy import load_file

        return load_file(weights)
    return {
        name: np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        for name, value in weights.items()
    }


def from_gpt2(ours: dict[str, Array], theirs: dict[str, Array]) -> dict[str, Array]:
    """Convert GPT-2's weights to our names and layout.

    Parameters
    ----------
    ours : dict of str to array
        State of the model, for its shapes.
    theirs : dict of str to array

    Raises
    ------
    ValueError
        lm_head is not tied to wte.
    """
    stripped = {
        name.removeprefix("transformer."): array
        for name, array in theirs.items()
        if not MASKS.search(name)
    }
    head, table = stripped.pop("lm_head.weight", None), stripped.get("wte.weight")
    if head is not None and table is not None and not np.array_equal(head, table):
        raise ValueError(
            "GPT: expected lm_head.weight to equal transformer.wte.weight, as they are one array "
            "here (weight tying), got two different ones"
        )
    if head is not None and table is None:
        stripped["wte.weight"] = head
    turned = _is_conv1d(ours, stripped)
    found = {}
    for name, array in stripped.items():
        mine = name
        for to, was in RENAMED.items():
            mine = mine.replace(was, to)
        found[mine] = array.T if turned and CONV1D.search(name) else array
    return found


def to_gpt2(ours: dict[str, Array], layout: str = "huggingface") -> dict[str, Array]:
    """Convert our weights to the names and layout of Hugging Face or nanoGPT.

    Parameters
    ----------
    ours : dict of str to array
        ``GPT.state_dict()``.
    layout : {"huggingface", "nanogpt"}

    Returns
    -------
    dict of str to array
    """
    if layout not in ("huggingface", "nanogpt"):
        raise ValueError(f'to_gpt2: expected layout "huggingface" or "nanogpt", got {layout!r}')
    found = {}
    for name, array in ours.items():
        theirs = name
        for was, to in RENAMED.items():
            theirs = theirs.replace(was, to)
        if layout == "huggingface" and CONV1D.search(theirs):
            array = np.ascontiguousarray(array.T)
        found[f"transformer.{theirs}"] = array
    found["lm_head.weight"] = found["transformer.wte.weight"]
    return found


def _is_conv1d(ours, theirs):
    """Return True if c_attn, which is never square, has shape (C, 3C)."""
    shape = np.shape(theirs.get("h.0.attn.c_attn.weight"))
    return len(shape) == 2 and shape == ours["h.0.attn.in_proj_weight"].shape[::-1]
