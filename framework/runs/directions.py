"""Infer from the name of a metric whether smaller or larger values are better."""

import difflib
import re

SMALLER = (
    "loss losses error errors err mse rmse mae mape msle nll bce ce perplexity ppl bpc bpb wer cer "
    "fid brier divergence kl distance"
)
LARGER = (
    "acc accuracy top f1 fbeta auc auroc auprc ap map r2 iou miou dice jaccard precision recall "
    "sensitivity specificity bleu rouge meteor ndcg mrr psnr ssim kappa mcc likelihood "
    "correlation pearson spearman"
)
# Words that reverse or change the meaning of the others: loss_scale is no loss.
OTHERWISE = (
    "scale gap drop diff difference delta change std var variance ratio weight neg negative "
    "negated inverse inv minus lr time seconds count"
)
KNOWN = {word: "min" for word in SMALLER.split()} | {word: "max" for word in LARGER.split()}
OTHER = frozenset(OTHERWISE.split())
MODES = ("auto", "min", "max")


def direction(name: str) -> str | None:
    """Return "min" if smaller values are better, "max" if larger ones are, None if unknown.

    Whole words decide: ``val_loss``, ``test_top5_acc``, ``f1/macro``. If a name has words of both
    directions, the last one counts: ``accuracy_error`` is an error.

    Examples
    --------
    >>> from firstlight.runs.directions import direction
    >>> direction("val_loss"), direction("val_r2"), direction("val_glossiness")
    ('min', 'max', None)
    """
    words = _words(name)
    known = [KNOWN[word] for word in words if word in KNOWN]
    return known[-1] if known and OTHER.isdisjoint(words) else None


def resolve_mode(name: str, mode: str = "auto", ask: str = 'mode="max" or mode="min"') -> str:
    """Return "min" or "max"; "auto" decides by the name.

    Parameters
    ----------
    name : str
        Name of a metric.
    mode : {"auto", "min", "max"}
    ask : str
        Argument that the error message recommends if the name is not known.

    Raises
    ------
    ValueError
        Another mode, or a name from which the mode cannot be inferred.
    """
    if mode not in MODES:
        raise ValueError(f'mode: expected "auto", "min" or "max", got {mode!r}')
    if mode != "auto":
        return mode
    found = direction(name)
    if found is None:
        meant = _meant(name)
        raise ValueError(
            f"{name!r}: its name does not tell whether a larger or a smaller value is better; say "
            f"{ask}{f', or did you mean {meant!r}?' if meant else ''}"
        )
    return found


def _words(name):
    """Return the words of a name; trailing digits of unknown words are removed."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    return [word if word in KNOWN else word.rstrip("0123456789") for word in words]


def _meant(name):
    """Return the name with misspelled words corrected; None if no direction is found then."""
    closest = {
        word: difflib.get_close_matches(word, KNOWN, n=1, cutoff=0.75)
        for word in re.findall(r"[A-Za-z]{3,}", name)
    }
    meant = name
    for word, close in closest.items():
        meant = meant.replace(word, close[0]) if close else meant
    return None if meant == name or direction(meant) is None else meant
