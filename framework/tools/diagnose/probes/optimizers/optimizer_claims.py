"""What an optimizer claims to be, by the names of its class and of its hyper-parameters."""

import re
from typing import Any

import numpy as np

from firstlight import optim
from firstlight.tools.diagnose.probes.optimizers.update_rules import Settings

LR = ("lr", "learningrate", "rate", "stepsize", "eta", "alpha")
FIRST = ("beta1", "b1", "momentum", "mu", "mom", "beta", "betas[0]")
SECOND = ("beta2", "b2", "rho", "decayrate", "gamma", "alpha", "betas[1]", "beta")
RHO = ("rho", "decayrate", "alpha", "gamma", "beta2", "beta", "decay")  # of RMSprop
DECAY = ("weightdecay", "wd", "l2", "decay", "lam", "lambda")
EPS = ("eps", "epsilon")
NAMES = {  # words in the name of a class, by the family that they claim
    "adagrad": ("adagrad",),
    "rmsprop": ("rmsprop",),
    "adam": ("adam",),
    "nesterov": ("nesterov", "nag"),
    "momentum": ("momentum", "heavyball"),
}
LIBRARY = {  # firstlight's optimizers of each family
    "adagrad": (optim.Adagrad,),
    "rmsprop": (optim.RMSprop,),
    "adam": (optim.Adam, optim.AdamW),
    **dict.fromkeys(("nesterov", "momentum", "descent"), (optim.SGD,)),
}
OTHERS = (  # of rules that are none of the families
    *("adamax", "nadam", "radam", "bertadam", "adabelief", "adafactor", "adadelta", "lion"),
    *("lamb", "lars", "sign", "yogi", "lookahead", "muon", "rprop", "shampoo", "sam"),
)


def hyper_parameters(optimizer: Any) -> dict[str, float]:
    """Return the numbers of the first group and of the attributes, by simplified names."""
    found = dict(vars(optimizer))
    found |= (getattr(optimizer, "param_groups", None) or [{}])[0]
    pairs = {f"{k}[{i}]": v for k, t in found.items() if is_pair(t) for i, v in enumerate(t)}
    return {
        re.sub("_", "", name.lower()): float(value)
        for name, value in (found | pairs).items()
        if isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    }


def claimed_family(name: str, known: dict[str, float]) -> str:
    """Return the family that a class's name or its hyper-parameters claim, "" if none does."""
    name = name.lower()
    if any(word in name for word in OTHERS):
        return ""
    family = next((one for one, words in NAMES.items() if any(w in name for w in words)), "")
    if not family and _of(known, ("beta1", "b1", "betas[0]")):
        family = "adam" if _of(known, ("beta2", "b2", "betas[1]")) else ""
    if not family:
        momentum = _of(known, ("momentum", "mu", "mom"))
        family = "momentum" if momentum else "descent" if re.search("gd|descent", name) else ""
    return "descent" if family == "momentum" and _of(known, FIRST) == [0.0] else family


def candidates(
    family: str, known: dict[str, float], literals: list[float], owners: Any
) -> Settings:
    """Return the candidates for each hyper-parameter: by its name, or the numbers in the code."""
    literals = [value for value in literals if 0 < value < 1]
    betas = sorted({v for v in literals if v >= 0.5} | {1 - v for v in literals if v <= 0.5})
    is_rms = family == "rmsprop"
    return Settings(
        _of(known, LR[:-1] if is_rms else LR) or literals or [1.0],
        _of(known, FIRST) or betas or [0.9],
        _of(known, RHO if is_rms else SECOND) or betas or [0.999],
        _of(known, DECAY) or [0.0],
        _of(known, EPS) or [1e-8],
        owners,
    )


def _of(known, names):
    """Return the value of the first known name as a list, or an empty list."""
    return next(([known[name]] for name in names if name in known), [])


def is_pair(value: Any) -> bool:
    """Return whether a value is two numbers."""
    return isinstance(value, (tuple, list)) and [type(v) for v in value] == [float, float]
